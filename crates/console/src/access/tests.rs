use super::*;

const TOKEN: &str = "correct horse battery";
const NOW_S: u64 = 1_750_000_000;

fn access() -> Access {
    let mut carol = User::new("carol", Role::Admin);
    carol.certificate = Some("carol@example.com".into());
    Access {
        users: vec![
            User::new("ann.b", Role::Operate).with_token(TOKEN),
            User::new("grafana", Role::Read).with_token("another token of its own"),
            carol,
        ],
        ..Access::default()
    }
}

fn header(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
}

fn bearer(access: &Access, token: &str) -> Option<Who> {
    access.who(
        None,
        &header("authorization", &format!("Bearer {token}")),
        NOW_S,
    )
}

/// As the browser sends it back.
fn session(access: &Access, cookie: &str, now_s: u64) -> Option<Who> {
    let pair = cookie.split(';').next().unwrap();
    access.who(None, &header("cookie", &format!("a=b; {pair}")), now_s)
}

#[test]
fn a_token_or_a_certificate_says_who_it_is_and_nothing_else_does() {
    let access = access();
    let ann = bearer(&access, TOKEN).unwrap();
    assert_eq!(
        (ann.name.as_deref(), ann.role),
        (Some("ann.b"), Role::Operate)
    );
    for wrong in ["", "correct horse", "correct horse battery ", "Bearer"] {
        assert_eq!(bearer(&access, wrong), None, "{wrong}");
    }
    let none = HeaderMap::new();
    assert_eq!(access.who(None, &none, NOW_S), None);
    assert_eq!(access.who(Some("mallory@example.com"), &none, NOW_S), None);
    let carol = access.who(Some("carol@example.com"), &none, NOW_S).unwrap();
    assert_eq!(carol.role, Role::Admin);
    let open = Access::default().who(None, &none, NOW_S).unwrap();
    assert_eq!(
        (open.name, open.role),
        (None, Role::Admin),
        "nobody is told apart"
    );
}

#[test]
fn a_session_is_its_users_until_its_end_or_another_token() {
    let access = access();
    assert!(access.sign_in("wrong", NOW_S).is_none());
    let (who, cookie) = access.sign_in(TOKEN, NOW_S).unwrap();
    assert_eq!(session(&access, &cookie, NOW_S), Some(who));
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains(TOKEN));
    assert_eq!(
        session(&access, &cookie, NOW_S + LASTS_S),
        None,
        "it has ended"
    );
    let mut other = self::access();
    other.users[0] = User::new("ann.b", Role::Operate).with_token("a token made new");
    assert_eq!(session(&other, &cookie, NOW_S), None, "another token");
    assert_eq!(session(&access, &access.sign_out(), NOW_S), None);
}

#[test]
fn a_session_cannot_be_made_up_or_changed() {
    let access = access();
    let (_, cookie) = access.sign_in(TOKEN, NOW_S).unwrap();
    let value = cookie.split(';').next().unwrap().split_once('=').unwrap().1;
    let [mac, end, _] = [0, 1, 2].map(|i| value.rsplitn(3, '.').nth(i).unwrap());
    for forged in [
        String::new(),
        "...".into(),
        format!("grafana.{end}.{mac}"),
        format!("carol.{end}.{mac}"),
        format!("ann.b.{}.{mac}", NOW_S + 10 * LASTS_S),
        format!("ann.b.{end}.{}", "0".repeat(64)),
        format!("ann.b.{end}.{}é", &mac[..62]),
        format!("ann.b.{end}.{}", &mac[..63]),
    ] {
        assert_eq!(
            session(&access, &format!("{COOKIE}={forged}"), NOW_S),
            None,
            "{forged}"
        );
    }
}

#[test]
fn what_goes_over_tls_only_says_so() {
    let access = Access {
        encrypted: true,
        ..access()
    };
    let (_, cookie) = access.sign_in(TOKEN, NOW_S).unwrap();
    assert!(cookie.ends_with("; Secure") && access.sign_out().contains("Max-Age=0"));
}

#[test]
fn whoever_has_shown_who_they_are_cannot_be_somebody_else() {
    let ann = bearer(&access(), TOKEN).unwrap();
    assert_eq!(ann.named("bob"), "ann.b");
    let nobody = Who {
        name: None,
        role: Role::Admin,
        said: "root".into(),
    };
    assert_eq!(nobody.named(""), "root");
    assert_eq!(nobody.named(" bob\n"), "bob");
    assert_eq!(nobody.named("\t"), "someone at the console");
}
