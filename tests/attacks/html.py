"""HTML bodies."""

from .build import encoded, repeated, shape, typed

HTML = typed(b"text/html; charset=utf-8")


def html(name, head, unit, tail=b""):
    repeated(name, HTML + head, unit, tail)


html("tags", b"", b"<b>")
html("tags and text", b"", b"<b>a</b> ")
html("paragraphs", b"", b"<p>Could you send the invoice again?</p>\r\n")
html("deep", b"", b"<div>")
html("deep with text", b"", b"<div>a")
html("closed without being opened", b"", b"</div>")
html("nested tables", b"", b"<table><tr><td>a")
html("nested lists", b"", b"<ul><li>a")
html("nested quotes", b"", b"<blockquote>a")
html("nested links", b"", b'<a href="http://example{n}.org/">')
html("less than", b"", b"<")
html("less than, letter", b"", b"<a ")
html("ends of tags", b"", b"</")
html("markup declarations", b"", b"<!")
html("processing instructions", b"", b"<?")
html("greater than", b"", b">")
html("tag without an end", b"<p ", b"a")
html("tag of blanks", b"<p", b" ", b">")
html("long name of a tag", b"<", b"a", b">text")
html("attributes", b"<p", b" a{n}=b", b">text")
html("quoted attributes", b"<p", b' a="b"', b">text")
html("attributes in lines", b"<p", b"\na='b'", b">text")
html("attributes without values", b"<p", b" a", b">text")
html("attributes at the end of a tag", b"</p", b' a="b"', b">text")
html("slashes in a tag", b"<p", b"/", b">text")
html("equals signs in a tag", b"<p ", b"=", b">text")
html("the same attribute", b"<p", b" title=b", b">text")
html("attribute without an end", b'<p title="', b"a ", b"")
html("attribute of quotes", b"<p ", b"\"'=")
html("attribute of entities", b'<a href="http://example.org/', b"&amp;", b'">text</a>')
html("long address in a link", b'<a href="http://', b"a.", b'">text</a>')
html("many tags with attributes", b"", b"<font color=\"#ffffff\" size=1 face='x'>a")
html("comments in HTML", b"", b"<!-- a -->b")
html("comment without an end", b"<!--", b"a ")
html("comment of hyphens", b"<!--", b"-")
html("comments that nearly end", b"<!--", b"--!x--> <!--")
html("comments within words", b"", b"in<!-- x -->voice ")
html("conditional comments", b"", b"<!--[if mso]>a<![endif]-->")
html("CDATA", b"", b"<![CDATA[")
html("CDATA in SVG", b"<svg>", b"<![CDATA[ a ]]>")
html("doctypes", b"", b"<!DOCTYPE html PUBLIC \"a\" 'b'>")
html("doctype without an end", b"<!DOCTYPE ", b"a ")
html("script without an end", b"<script>", b"a < b ")
html("script in a comment in a script", b"<script><!--", b"<script>")
html("scripts", b"", b"<script>a</script>")
html("style without an end", b"<style>", b"p { color: red } ")
html("styles", b"", b"<style>a</style>b")
html("title without an end", b"<title>", b"a &amp; ")
html("textarea without an end", b"<textarea>", b"<b>a")
html("ends within raw text", b"<script>", b"</scrip")
html("plaintext", b"<plaintext>", b"<b>a</b>")
html("noscript and template", b"", b"<noscript><template>a")
html("frames", b"", b"<iframe><noframes><noembed>")
html("preformatted", b"<pre>", b"a  \r\n\t b")
html("preformatted and not", b"", b"<pre> a </pre> b ")
html("entities", b"", b"&amp;&uuml;&#252;&#xfc;")
html("entities without an end", b"", b"&amp")
html("unknown entities", b"", b"&nosuch{n};")
html("long entity", b"&", b"a", b";")
html("long number", b"&#", b"9", b";")
html("numbers of no character", b"", b"&#0;&#xd800;&#x110000;&#99999999999;&#x80;&#13;")
html("entities that become tags", b"", b"&lt;script&gt;&amp;lt;")
html("entities of two characters", b"", b"&NotEqualTilde;&acE;")
html("ampersands", b"", b"&")
html("blanks in HTML", b"a", b" &nbsp;\r\n\t")
html("line breaks in HTML", b"", b"<br>")
html("rules", b"", b"<hr>")
html("images with words", b"", b'<img src="http://example.org/{n}" alt="word {n}">')
html("links to many hosts", b"", b'<a href="http://host{n}.example.org/path">a</a> ')
html("links to one host", b"", b'<a href="http://example.org/{n}">b</a> ')
html(
    "links of other kinds",
    b"",
    b'<a href="javascript:a">b</a><a href="data:text/html,c">d</a><a href="mailto:e@f">g</a>',
)
html("hidden", b"", b'<div style="display:none">a<span hidden>b</span>')
html("hidden and never shown again", b'<div style="display:none">', b"<div>a</div> ")
html("foreign elements", b"<svg><math>", b"<mi><desc><foreignObject>a")
html("forms", b"", b'<form><input value="a"><select><option>b</select><button>c')
html("NUL in HTML", b"", b"<\0p\0>a\0&\0")
html("bytes in HTML", b"", b"<p>\xff\xfe\xc3</p>")
html("zero width in HTML", b"", b"in&#8203;voice&zwj;&shy; ")
html("meta charsets", b"", b'<meta charset="utf-16">')
html("one paragraph of a line", b"<p>", b"invoice ")
html("words between blanks of many kinds", b"", "a\u00a0\u2003\u3000b ".encode())
repeated("HTML in UTF-16", typed(b"text/html; charset=utf-16le"), "<p>a</p>".encode("utf-16le"))
repeated("HTML in quoted-printable", encoded(b"quoted-printable", b"text/html"), b"<p st=\r\nyle=3D=22a=22>a=\r\n")
repeated("HTML in base64", encoded(b"base64", b"text/html"), b"PHA+PGI+YTwvYj4mYW1wOzwhLS0=")
repeated("HTML that says it is plain", typed(b"text/plain"), b"<p>a</p>")
repeated("enriched text", typed(b"text/enriched"), b"<bold><nl>a<<")
repeated("rich text", typed(b"text/rtf"), b"{\\rtf1 \\b a")


@shape
def tags_at_random(size, chance):
    pieces = [
        b"<",
        b">",
        b"</",
        b"/>",
        b"<!--",
        b"-->",
        b"&",
        b";",
        b"'",
        b'"',
        b"=",
        b" ",
        b"p",
        b"div",
        b"script",
        b"style",
        b"a href",
        b"#",
        b"x",
        b"\n",
        b"]]>",
        b"<![CDATA[",
    ]
    return HTML + b"".join(chance.choices(pieces, k=max(size // 3, 1)))
