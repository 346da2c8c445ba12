//! The keys of `console`.

use super::*;

/// Users at most: each request is compared with all of them.
const MOST_USERS: usize = 256;
const ROLES: &[(&str, Role)] = &[
    ("read", Role::Read),
    ("operate", Role::Operate),
    ("admin", Role::Admin),
];

pub const CONSOLE: &[Field<Console>] = &[
    key!(
        "listen" = "127.0.0.1:9400",
        Kind::Address,
        "unix:/run/plimsoll/console.sock",
        "an address, or a Unix socket; one that is not loopback needs `users`; read at start",
        |c, n, cx| put!(c.listen, cx.listen(n))
    ),
    key!(
        "socket_mode" = "600",
        Kind::Text,
        "660",
        "permissions of the file when `listen` is a Unix socket; who may write it may connect",
        |c, n, cx| put!(c.socket_mode, cx.mode(n))
    ),
    key!(
        "names" = "[]",
        Kind::ListOf(&Kind::Text),
        "[plimsoll.internal]",
        "names by which it may be asked for, beside addresses and `localhost`",
        |c, n, cx| c.names = cx.list(n, host_name)
    ),
    key!(
        "tls",
        Kind::Section("console_tls"),
        "{ cert: console.pem, key: console.key }",
        "it speaks TLS; plain when left out; read at start",
        |c, n, cx| {
            let mut tls = ConsoleTls::default();
            cx.section("console.tls", n, CONSOLE_TLS, &mut tls);
            c.tls = Some(tls);
        }
    ),
    key!(
        "users",
        Kind::MapOf("console_user"),
        "{ ann: { role: operate, token: { file: /run/secrets/ann } } }",
        "who may ask; when left out, whoever reaches it may do everything",
        |c, n, cx| {
            for (name, at) in cx.named("console.users", n) {
                let mut user = ConsoleUser::named(&name);
                cx.section(
                    &format!("console.users.{name}"),
                    at,
                    CONSOLE_USER,
                    &mut user,
                );
                if user.token.is_none() && user.certificate.is_none() {
                    cx.error(
                        at,
                        "config-console",
                        format!("`{name}` has nothing to show"),
                    )
                    .help = "give `token: { file: PATH }`, or `certificate: NAME`".into();
                }
                c.users.push(user);
            }
            if c.users.len() > MOST_USERS {
                let what = format!("{} users are listed", c.users.len());
                cx.error(n, "config-too-many", what).help =
                    format!("list {MOST_USERS} at most; several people may share one");
            }
        }
    ),
];

pub const CONSOLE_TLS: &[Field<ConsoleTls>] = &[
    key!(required "cert", Kind::Text, "console.pem", "its certificate with the chain behind it (PEM)", |t, n, cx| put!(t.own.cert, cx.text(n).map(Into::into))),
    key!(required "key", Kind::Text, "console.key", "the certificate's key (PEM)", |t, n, cx| put!(t.own.key, cx.text(n).map(Into::into))),
    key!(
        "clients",
        Kind::Text,
        "people.pem",
        "who may have signed the certificates of users (PEM); they are not asked for when left out",
        |t, n, cx| t.clients = cx.text(n).map(Into::into)
    ),
];

pub const CONSOLE_USER: &[Field<ConsoleUser>] = &[
    key!(
        "role" = "read",
        Kind::OneOf(&["read", "operate", "admin"]),
        "operate",
        "`operate` may try, roll back and purge as well; `admin` may also record and upgrade",
        |u, n, cx| put!(u.role, cx.one_of(n, ROLES))
    ),
    key!(
        "token",
        Kind::Secret,
        "{ file: /run/secrets/ann }",
        "what is shown as `Authorization: Bearer …`, or to sign in; at least 16 characters; read at start and reload",
        |u, n, cx| u.token = secret_elsewhere(n, cx)
    ),
    key!(
        "certificate",
        Kind::Text,
        "ann@example.com",
        "the name in the certificate that is shown: the first of its URIs, DNS names and common name",
        |u, n, cx| u.certificate = cx.text(n)
    ),
];

/// The section, or only where it listens.
pub(super) fn console(n: &Node, cx: &mut Cx, out: &mut Console) {
    match &n.value {
        Value::Scalar(text) if !text.is_empty() => put!(out.listen, cx.listen(n)),
        _ => cx.section("console", n, CONSOLE, out),
    }
    check(out, n, cx);
}

/// Anybody may come in, or somebody cannot.
fn check(console: &Console, n: &Node, cx: &mut Cx) {
    let listen = &console.listen;
    if !listen.is_local() && console.users.is_empty() {
        let what = format!("whoever reaches {listen} may change what runs");
        let finding = cx.error(n, "config-console-open", what);
        finding.why = "the console shows everything and takes orders".into();
        finding.help = format!(
            "say who may ask: `console: {{ listen: \"{listen}\", users: {{ ann: {{ role: admin, token: {{ file: /run/secrets/ann }} }} }} }}`, \
             or listen on 127.0.0.1 or unix:/run/plimsoll/console.sock"
        );
    } else if !listen.is_local() && console.tls.is_none() {
        let what = format!("tokens go to {listen} in the clear");
        let finding = cx.warning(n, "config-console-plain", what);
        finding.why = "whoever is on the way can take one and use it".into();
        finding.help =
            "give `console.tls: { cert: console.pem, key: console.key }`, unless TLS ends in front of it".into();
    }
    let asked = console.tls.as_ref().is_some_and(|t| t.clients.is_some());
    if let Some(user) = console
        .users
        .iter()
        .find(|u| u.certificate.is_some() && !asked)
    {
        let what = format!(
            "`{}` is known by a certificate, and none is asked for",
            user.name
        );
        cx.error(n, "config-console", what).help =
            "give `console.tls: { clients: people.pem }`, or a `token`".into();
    }
    if let (Some(_), Some(_)) = (listen.path(), &console.tls) {
        cx.error(n, "config-console", "TLS is not spoken on a Unix socket")
            .help = "leave `console.tls` out: nobody is on the way".into();
    }
}

/// As it stands in `Host`, without a port.
fn host_name(cx: &mut Cx, n: &Node) -> Option<String> {
    let name = cx.text(n)?.to_ascii_lowercase();
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if name.bytes().all(good) {
        return Some(name);
    }

    cx.error(n, "config-value", format!("`{name}` is not a host's name"))
        .help = "write it without scheme and port, like `plimsoll.internal`".into();
    None
}
