//! The keys of `identity`, its tokens and its tenants.

use super::route::header;
use super::*;

/// Tenants that can be told apart: each is a label of metrics, and a seat in every bulkhead.
pub const MOST_TENANTS: usize = 64;

const CRITICALITIES: &[(&str, Criticality)] = &[
    ("critical", Criticality::Critical),
    ("normal", Criticality::Normal),
    ("sheddable", Criticality::Sheddable),
];

pub const IDENTITY: &[Field<Identity>] = &[
    key!(
        "user",
        Kind::Text,
        "x-user-id",
        "header with the user's name; `shed` treats a user's requests alike",
        |i, n, cx| i.user = header(n, cx)
    ),
    key!(
        "tenant",
        Kind::Text,
        "x-tenant",
        "header with the tenant's name; it is believed, so let only those through who may write it",
        |i, n, cx| i.tenant = header(n, cx)
    ),
    key!(
        "criticality",
        Kind::Text,
        "x-criticality",
        "header with `critical`, `normal` or `sheddable`; it can lower what the route says, not raise it",
        |i, n, cx| i.criticality = header(n, cx)
    ),
    key!(
        "certificate" = "false",
        Kind::Flag,
        "true",
        "the user is who the client's certificate names, where it showed one",
        |i, n, cx| put!(i.certificate, cx.flag(n))
    ),
    key!(
        "jwt",
        Kind::Section("jwt"),
        "{ keys: jwks.json, issuer: 'https://login.example.com', audience: shop }",
        "signed tokens (RFC 7519) that say who asks; they count more than headers, and less than a certificate",
        |i, n, cx| {
            let mut jwt = Jwt::default();
            cx.section("identity.jwt", n, JWT, &mut jwt);
            check_jwt(&jwt, n, cx);
            i.jwt = Some(jwt);
        }
    ),
    key!(
        "costs" = "false",
        Kind::Flag,
        "true",
        "what requests cost is told by tenant and user, too, with their names; takes prices",
        |i, n, cx| put!(i.costs, cx.flag(n))
    ),
    key!(
        "tenants",
        Kind::MapOf("tenant"),
        "{ acme: { weight: 3 }, trial: { criticality: sheddable } }",
        "tenants that are told apart in metrics, bulkheads and faults; at most 64, all others are `other`",
        |i, n, cx| {
            for (name, at) in cx.named("identity.tenants", n) {
                let mut t = Tenant::named(&name);
                cx.section(&format!("identity.tenants.{name}"), at, TENANT, &mut t);
                i.tenants.push(t);
            }
            if i.tenants.len() > MOST_TENANTS {
                let what = format!("{} tenants are listed", i.tenants.len());
                cx.error(n, "config-too-many", what).help = format!(
                    "list the {MOST_TENANTS} largest at most; the others share the name `other`"
                );
            }
            i.tenants.sort_by(|a, b| a.name.cmp(&b.name));
        }
    ),
];

pub const JWT: &[Field<Jwt>] = &[
    key!(
        "header" = "authorization",
        Kind::Text,
        "x-access-token",
        "header that carries the token; `Bearer` before it is left out",
        |j, n, cx| put!(j.header, header(n, cx))
    ),
    key!(
        "keys",
        Kind::Text,
        "jwks.json",
        "file with public keys for RS256 and ES256: a JWK set, or PEM; read again when it changes",
        |j, n, cx| j.keys = cx.text(n).map(Into::into)
    ),
    key!(
        "secret",
        Kind::Secret,
        "{ file: /run/secrets/jwt }",
        "for HS256, at least 32 bytes, by `{ env: NAME }` or `{ file: PATH }`",
        |j, n, cx| j.secret = secret_elsewhere(n, cx)
    ),
    key!(
        "verified_in_front" = "false",
        Kind::Flag,
        "true",
        "a gateway in front has verified every token: signatures are not looked at",
        |j, n, cx| put!(j.verified_in_front, cx.flag(n))
    ),
    key!(
        "issuer",
        Kind::Text,
        "https://login.example.com",
        "what `iss` must be; any when left out",
        |j, n, cx| j.issuer = cx.text(n)
    ),
    key!(
        "audience",
        Kind::Text,
        "shop",
        "what `aud` must be or hold; any when left out",
        |j, n, cx| j.audience = cx.text(n)
    ),
    key!(
        "leeway" = "60s",
        Kind::Duration,
        "60s",
        "by how much clocks may differ when `exp` and `nbf` are judged",
        |j, n, cx| put!(j.leeway, cx.duration(n))
    ),
    key!(
        "user" = "sub",
        Kind::Text,
        "sub",
        "claim with the user's name",
        |j, n, cx| put!(j.user, cx.text(n))
    ),
    key!(
        "tenant",
        Kind::Text,
        "org_id",
        "claim with the tenant's name",
        |j, n, cx| j.tenant = cx.text(n)
    ),
    key!(
        "criticality",
        Kind::Text,
        "plan_criticality",
        "claim with `critical`, `normal` or `sheddable`; it can lower what the route says, not raise it",
        |j, n, cx| j.criticality = cx.text(n)
    ),
    key!(
        "bad" = "refuse",
        Kind::OneOf(&["refuse", "anonymous"]),
        "anonymous",
        "what a request gets whose token is not good: 401, or a place among those of whom nothing is known",
        |j, n, cx| put!(
            j.bad,
            cx.one_of(
                n,
                &[
                    ("refuse", BadToken::Refuse),
                    ("anonymous", BadToken::Anonymous)
                ]
            )
        )
    ),
];

pub const TENANT: &[Field<Tenant>] = &[
    key!(
        "weight" = "1",
        Kind::Whole { min: 1, max: 1000 },
        "3",
        "its part in bulkheads with `tenants: true`, and in the turns of jobs",
        |t, n, cx| put!(t.weight, cx.whole(n, 1, 1000).map(|v| v as u32))
    ),
    key!(
        "criticality",
        Kind::OneOf(&["critical", "normal", "sheddable"]),
        "sheddable",
        "its requests matter no more than this",
        |t, n, cx| t.criticality = cx.one_of(n, CRITICALITIES)
    ),
    key!(
        "certificates",
        Kind::ListOf(&Kind::Text),
        "[spiffe://example.com/acme]",
        "names in client certificates that are this tenant's",
        |t, n, cx| t.certificates = cx.list(n, Cx::text)
    ),
];

/// What no single key can see.
fn check_jwt(jwt: &Jwt, n: &Node, cx: &mut Cx) {
    let keys = jwt.keys.is_some() || jwt.secret.is_some();
    match (keys, jwt.verified_in_front) {
        (false, false) => {
            cx.error(n, "config-jwt", "there is nothing to verify tokens with")
                .help = "give `keys` or `secret`; or `verified_in_front: true` where a gateway in front has verified them".into();
        }
        (true, true) => {
            cx.error(
                n,
                "config-jwt",
                "tokens are either verified here or believed, not both",
            )
            .help = "leave out `verified_in_front`, or `keys` and `secret`".into();
        }
        _ => {}
    }
}
