//! Who a client is by its certificate, which the handshake has verified.

use sha2::{Digest, Sha256};
use std::fmt::Write;
use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Longest text that is passed on, bytes.
const LONGEST: usize = 2048;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCert {
    /// The first of: URI, DNS name, common name.
    pub name: Option<String>,
    /// As `X-Forwarded-Client-Cert` says it.
    pub forwarded: String,
}

impl ClientCert {
    pub fn read(der: &CertificateDer<'_>) -> ClientCert {
        let mut forwarded = String::from("Hash=");
        for byte in Sha256::digest(der.as_ref()) {
            let _ = write!(forwarded, "{byte:02x}");
        }
        let mut name = None;
        let mut note = |key: &str, quote: &str, value: &str| {
            if is_plain(value) && forwarded.len() + value.len() < LONGEST {
                let _ = write!(forwarded, ";{key}={quote}{value}{quote}");
                name.get_or_insert_with(|| value.trim_start_matches("CN=").to_owned());
            }
        };
        if let Ok(cert) = EndEntityCert::try_from(der) {
            cert.valid_uri_names().for_each(|uri| note("URI", "", uri));
            cert.valid_dns_names().for_each(|dns| note("DNS", "", dns));
            if let Some(common) = common_name(cert.subject()) {
                note("Subject", "\"", &format!("CN={common}"));
            }
        }
        ClientCert { name, forwarded }
    }
}

/// Nothing that could end the value or begin another.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|b| (b.is_ascii_graphic() || b == b' ') && !matches!(b, b'"' | b',' | b';' | b'\\'))
}

/// The common name in a subject (DER): its object identifier 2.5.4.3, then a short text.
fn common_name(subject: &[u8]) -> Option<&str> {
    const OID: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
    let at = subject.windows(OID.len()).position(|w| w == OID)? + OID.len();
    let [tag, len, rest @ ..] = subject.get(at..)? else {
        return None;
    };
    let is_text = matches!(tag, 0x0c | 0x13 | 0x16) && *len < 0x80;
    let text = is_text.then(|| rest.get(..*len as usize)).flatten()?;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn read(names: &[&str], uri: Option<&str>, common: &str) -> ClientCert {
        let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if let Some(uri) = uri {
            params
                .subject_alt_names
                .push(SanType::URI(uri.try_into().unwrap()));
        }
        params.distinguished_name.push(DnType::CommonName, common);
        let key = KeyPair::generate().unwrap();
        ClientCert::read(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn the_name_is_the_uri_then_the_dns_name_then_the_common_name() {
        let all = read(&["a.example"], Some("spiffe://x/pay"), "ann");
        assert_eq!(all.name.as_deref(), Some("spiffe://x/pay"));
        let text = all.forwarded;
        let (hash, rest) = text.split_once(';').unwrap();
        assert_eq!(hash.len(), "Hash=".len() + 64);
        assert_eq!(rest, "URI=spiffe://x/pay;DNS=a.example;Subject=\"CN=ann\"");
        assert_eq!(
            read(&["a.example"], None, "ann").name.as_deref(),
            Some("a.example")
        );
        assert_eq!(read(&[], None, "ann").name.as_deref(), Some("ann"));
    }

    #[test]
    fn a_name_that_would_forge_another_is_left_out() {
        let forged = read(&[], None, "ann\";URI=spiffe://x/root");
        assert_eq!(forged.name, None);
        assert!(!forged.forwarded.contains("root"), "{}", forged.forwarded);
        let nothing = ClientCert::read(&CertificateDer::from(vec![1, 2, 3]));
        assert_eq!(nothing.name, None);
        assert_eq!(
            common_name(&[0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 9, b'a']),
            None
        );
    }
}
