//! Who acts.

use crate::{pg, settings};

/// Longest name of a person, in characters.
const MAX_ACTOR_CHARS: usize = 256;

/// Who made a decision.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The person, as they say.
    pub name: String,
    /// `session_user`
    pub connected_as: String,
    /// `current_user`
    pub acting_as: String,
    /// `application_name`
    pub application: Option<String>,
}

impl Actor {
    /// The argument, else `pg_triage.actor`, else the claim of a web token (PostgREST puts
    /// it into `request.jwt.claims`), else the role.
    pub fn new(given: Option<&str>) -> Self {
        let acting_as = pg::current_user();
        let name = given
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .or_else(settings::actor)
            .or_else(claimed)
            .unwrap_or_else(|| acting_as.clone());
        Self {
            name: name.chars().take(MAX_ACTOR_CHARS).collect(),
            connected_as: pg::session_user(),
            acting_as,
            application: pg::application_name(),
        }
    }
}

fn claimed() -> Option<String> {
    const MOST: usize = 65_536;
    let claims = pg::setting(c"request.jwt.claims")?;
    if claims.len() > MOST {
        return None;
    }
    let claims: serde_json::Value = serde_json::from_str(&claims).ok()?;
    ["email", "preferred_username", "sub"]
        .iter()
        .find_map(|claim| Some(claims.get(claim)?.as_str()?.trim().to_owned()))
        .filter(|name| !name.is_empty())
}
