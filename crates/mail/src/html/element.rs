//! What elements of HTML are like.

/// White space that is written before the next text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

/// How far an element stands from what is before and after it.
pub(super) fn gap_around(name: &[u8]) -> Gap {
    match name {
        b"blockquote" | b"dl" | b"fieldset" | b"figure" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5"
        | b"h6" | b"hr" | b"listing" | b"menu" | b"ol" | b"p" | b"pre" | b"table" | b"ul"
        | b"xmp" | b"plaintext" => Gap::Paragraph,
        b"address" | b"article" | b"aside" | b"body" | b"caption" | b"center" | b"dd"
        | b"details" | b"dir" | b"div" | b"dt" | b"figcaption" | b"footer" | b"form"
        | b"header" | b"html" | b"legend" | b"li" | b"main" | b"nav" | b"option" | b"section"
        | b"select" | b"summary" | b"tbody" | b"textarea" | b"tfoot" | b"thead" | b"tr" => {
            Gap::Line
        }
        b"td" | b"th" | b"input" | b"button" => Gap::Space,
        _ => Gap::None,
    }
}

/// Elements that have no content, so no end tag either.
pub(super) fn is_void(name: &[u8]) -> bool {
    matches!(
        name,
        b"area"
            | b"base"
            | b"br"
            | b"col"
            | b"embed"
            | b"hr"
            | b"img"
            | b"input"
            | b"link"
            | b"meta"
            | b"param"
            | b"source"
            | b"track"
            | b"wbr"
    )
}

/// Elements that end where the next one of their kind begins.
pub(super) fn ends_by_itself(name: &[u8]) -> bool {
    matches!(
        name,
        b"dd" | b"dt" | b"li" | b"option" | b"p" | b"td" | b"th" | b"tr"
    )
}

/// Whether a `style` hides its element.
pub(super) fn style_hides(style: &[u8]) -> bool {
    let style: Vec<u8> = style
        .iter()
        .filter(|b| !b.is_ascii_whitespace())
        .map(u8::to_ascii_lowercase)
        .collect();
    // The last declaration of a property holds.
    let is = |property: &[u8], value: &[u8]| {
        let mut declared = style
            .split(|&b| b == b';')
            .filter_map(|declaration| declaration.strip_prefix(property));
        declared
            .next_back()
            .is_some_and(|v| v.strip_suffix(b"!important").unwrap_or(v) == value)
    };
    is(b"display:", b"none") || is(b"visibility:", b"hidden")
}
