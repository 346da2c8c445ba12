//! The keys of `tls.acme`.

use super::*;

pub const ACME: &[Field<Acme>] = &[
    key!(required "names", Kind::ListOf(&Kind::Text), "[shop.example.com]",
        "what the certificate is for; each must lead here, and none may hold a `*`",
        |a, n, cx| a.names = cx.list(n, name)),
    key!(
        "directory" = "https://acme-v02.api.letsencrypt.org/directory",
        Kind::Text,
        "https://acme-v02.api.letsencrypt.org/directory",
        "of the authority; who names one agrees to its terms",
        |a, n, cx| put!(a.directory, directory(n, cx))
    ),
    key!(
        "contact" = "[]",
        Kind::ListOf(&Kind::Text),
        "[ops@example.com]",
        "mail addresses that the authority may write to",
        |a, n, cx| a.contact = cx.list(n, mail)
    ),
    key!(
        "challenge" = "tls-alpn-01",
        Kind::OneOf(&["tls-alpn-01", "http-01"]),
        "http-01",
        "how the authority makes sure: by a handshake at port 443, or by a request at port 80, which must lead here",
        |a, n, cx| put!(
            a.challenge,
            cx.one_of(
                n,
                &[
                    ("tls-alpn-01", AcmeChallenge::TlsAlpn),
                    ("http-01", AcmeChallenge::Http)
                ]
            )
        )
    ),
    key!(
        "ca",
        Kind::Text,
        "authority.pem",
        "PEM file: who has signed the directory's own certificate, for an authority of one's own; whom the system trusts when left out",
        |a, n, cx| a.ca = cx.text(n).map(Into::into)
    ),
];

fn directory(n: &Node, cx: &mut Cx) -> Option<String> {
    let url = cx.text(n)?;
    if url.starts_with("https://") {
        return Some(url);
    }
    cx.error(
        n,
        "config-value",
        format!("`{url}` does not begin with `https://`"),
    );
    None
}

fn mail(cx: &mut Cx, n: &Node) -> Option<String> {
    let text = cx.text(n)?;
    let bare = text.strip_prefix("mailto:").unwrap_or(&text);
    if bare.split('@').filter(|part| !part.is_empty()).count() == 2 {
        return Some(bare.to_owned());
    }
    cx.error(n, "config-value", format!("`{text}` is not a mail address"));
    None
}

fn name(cx: &mut Cx, n: &Node) -> Option<String> {
    let text = cx.text(n)?.to_ascii_lowercase();
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let label = |l: &str| !l.is_empty() && l.len() < 64 && l.bytes().all(good);
    let address = text.parse::<std::net::IpAddr>().is_ok();
    if text.len() < 254 && !address && text.split('.').all(label) {
        return Some(text);
    }
    let finding = cx.error(
        n,
        "config-value",
        format!("`{text}` is not the name of a host"),
    );
    finding.why = "a certificate by `acme` is for names without a `*`, and for no addresses".into();
    None
}
