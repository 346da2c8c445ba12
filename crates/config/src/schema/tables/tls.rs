//! The keys of `tls`, and of a service's `tls`.

use super::*;

pub const TLS: &[Field<Tls>] = &[
    key!(
        "listen",
        Kind::Address,
        "0.0.0.0:8443",
        "where TLS comes in, beside the plain `listen`; when left out, `listen` itself speaks TLS",
        |t, n, cx| t.listen = cx.address(n)
    ),
    key!(
        "certificates",
        Kind::ListOf(&Kind::Section("certificate")),
        "[{ cert: shop.pem, key: shop.key }]",
        "files; chosen by the names that stand in them; a client that names no host gets the first",
        |t, n, cx| t.certificates = cx.list(n, |cx, n| {
            let mut c = Certificate::default();
            cx.section("tls.certificates", n, CERTIFICATE, &mut c);
            Some(c)
        })
    ),
    key!(
        "acme",
        Kind::Section("acme"),
        "{ names: [shop.example.com], contact: [ops@example.com] }",
        "one more certificate, which Plimsoll gets and renews by itself",
        |t, n, cx| {
            let mut acme = Acme::default();
            cx.section("tls.acme", n, ACME, &mut acme);
            t.acme = Some(acme);
        }
    ),
    key!(
        "unknown_name" = "refuse",
        Kind::OneOf(&["refuse", "first"]),
        "first",
        "what a client gets that names a host of no certificate: no handshake, or the first certificate",
        |t, n, cx| put!(
            t.unknown_name,
            cx.one_of(
                n,
                &[
                    ("refuse", UnknownName::Refuse),
                    ("first", UnknownName::First)
                ]
            )
        )
    ),
    key!(
        "min" = "1.2",
        Kind::OneOf(&["1.2", "1.3"]),
        "1.3",
        "oldest version of TLS that is spoken",
        |t, n, cx| put!(
            t.min,
            cx.one_of(n, &[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)])
        )
    ),
    key!(
        "clients",
        Kind::Section("clients"),
        "{ ca: clients.pem, mode: require }",
        "ask clients for certificates; not asked when left out",
        |t, n, cx| {
            let mut clients = Clients {
                ca: Default::default(),
                accept: false,
            };
            cx.section("tls.clients", n, CLIENTS, &mut clients);
            t.clients = Some(clients);
        }
    ),
    key!(
        "protocols" = "[h2, http/1.1]",
        Kind::ListOf(&Kind::OneOf(&["h2", "http/1.1"])),
        "[http/1.1]",
        "what is offered to clients (ALPN), best first",
        |t, n, cx| t.protocols = cx.list(n, |cx, n| cx
            .one_of(n, &[("h2", Protocol::Http2), ("http/1.1", Protocol::Http1)]))
    ),
    key!(
        "handshake_timeout" = "10s",
        Kind::Duration,
        "10s",
        "longest handshake, its wait for a turn included",
        |t, n, cx| put!(t.handshake_timeout, cx.some_time(n))
    ),
    key!(
        "handshakes" = "512",
        Kind::Whole {
            min: 1,
            max: 100_000
        },
        "512",
        "handshakes under way at once; more wait for their turn",
        |t, n, cx| put!(t.handshakes, cx.whole(n, 1, 100_000).map(|v| v as usize))
    ),
];

pub const CERTIFICATE: &[Field<Certificate>] = &[
    key!(required "cert", Kind::Text, "shop.pem", "PEM file: the certificate, then its chain",
        |c, n, cx| put!(c.cert, cx.text(n).map(Into::into))),
    key!(required "key", Kind::Text, "shop.key", "PEM file: its private key",
        |c, n, cx| put!(c.key, cx.text(n).map(Into::into))),
];

pub const CLIENTS: &[Field<Clients>] = &[
    key!(required "ca", Kind::Text, "clients.pem", "PEM file: who may have signed a client's certificate",
        |c, n, cx| put!(c.ca, cx.text(n).map(Into::into))),
    key!(
        "mode" = "require",
        Kind::OneOf(&["require", "accept"]),
        "accept",
        "whether a client without a certificate is refused or let in",
        |c, n, cx| put!(
            c.accept,
            cx.one_of(n, &[("require", false), ("accept", true)])
        )
    ),
];

pub const SERVICE_TLS: &[Field<ServiceTls>] = &[
    key!(required "ca", Kind::Text, "instances.pem", "PEM file: who may have signed the certificates of the instances",
        |t, n, cx| put!(t.ca, cx.text(n).map(Into::into))),
    key!(
        "name",
        Kind::Text,
        "shop.internal",
        "what their certificates are for, and the name that is asked for (SNI); when left out, the first name in `instances`, else the address",
        |t, n, cx| t.name = cx.text(n)
    ),
    key!(
        "certificate",
        Kind::Section("certificate"),
        "{ cert: plimsoll.pem, key: plimsoll.key }",
        "what Plimsoll shows them; nothing when left out",
        |t, n, cx| {
            let mut certificate = Certificate::default();
            cx.section("tls.certificate", n, CERTIFICATE, &mut certificate);
            t.certificate = Some(certificate);
        }
    ),
];
