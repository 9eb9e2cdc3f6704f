//! Who is served: callers with a token that counts, and with one of the roles of an endpoint.

use axum::http::{HeaderMap, header};

use crate::auth::Auth;
use crate::auth::claims::Caller;
use crate::http::api_error::Denied;

/// The caller that `headers` authenticate, with one of `roles`; empty `roles` admit every caller. Without `auth`
/// everyone is `anonymous`, and roles are not enforced.
pub(crate) async fn admit(
    auth: Option<&Auth>,
    headers: &HeaderMap,
    roles: &'static [&'static str],
) -> Result<Caller, Denied> {
    let Some(auth) = auth else {
        return Ok(Caller::anonymous());
    };
    let caller = auth.authenticate(bearer_token(headers)).await;
    let caller = caller.map_err(Denied::Unauthenticated)?;
    require_role(&caller, roles)?;
    Ok(caller)
}

/// Checks that the caller has one of `roles`, unless they are empty.
pub(crate) fn require_role(caller: &Caller, roles: &'static [&'static str]) -> Result<(), Denied> {
    if caller.has_one_of(roles) {
        Ok(())
    } else {
        Err(Denied::MissingRole(roles))
    }
}

/// The token of `Authorization: Bearer`; `None` if there is not exactly one such header.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
