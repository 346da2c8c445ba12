//! Files as Backstage's users have them.

use super::*;

const TEXT: &str = "\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: shop
  description: The front
  annotations: { github.com/project-slug: acme/shop }
spec:
  type: service
  lifecycle: production
  owner: group:default/checkout
  dependsOn: [\"component:stock\", \"resource:default/shop-db\"]
  consumesApis: [payments/pay-api]
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: checkout }
spec: { type: team, children: [], members: [ana] }
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: ben }
spec: { memberOf: [checkout] }
---
apiVersion: backstage.io/v1alpha1
kind: Location
metadata: { name: x }
---
apiVersion: backstage.io/v1alpha1
kind: Componnt
metadata: { name: y }
---
";

#[test]
fn entities_become_services_teams_and_people() {
    let (all, findings) = parse("catalog-info.yaml", TEXT);
    let shop = &all.services[0];
    assert_eq!(shop.owner.as_ref().unwrap().name, "checkout");
    let calls: Vec<_> = shop.depends_on.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(calls, ["stock", "shop-db", "payments/pay-api"]);
    let members: Vec<_> = all.teams[0]
        .members
        .iter()
        .map(|m| m.name.as_str())
        .collect();
    assert_eq!(members, ["ana", "ben"]);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(
        findings[0].to_string(),
        "catalog-info.yaml:29:7: error[backstage-entity]: no kind `Componnt`\n    help: did you mean `Component`?"
    );
}

#[test]
fn what_is_missing_is_told_and_the_rest_is_read() {
    let head = "apiVersion: backstage.io/v1alpha1\n";
    let text = format!(
        "{head}kind: Component\nmetadata: {{ name: a }}\nspec: {{ type: service }}\n---\nkind: API\n---\n- list\n---\n{head}kind: Group\nmetadata: {{ name: g }}\n"
    );
    let (all, findings) = parse("c", &text);
    let what: Vec<_> = findings.iter().map(|f| f.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "Component `a` has no `spec.owner`",
            "an entity without Backstage's `apiVersion`",
            "an entity without `kind`",
        ]
    );
    assert_eq!(all.teams.len(), 1);
    parse("c", &"---\na\n".repeat(3000));
}

#[test]
fn what_is_written_is_read_again() {
    let mut c = crate::Catalog::default();
    let (shop, _) = crate::service::parse(
        "shop",
        "s.yaml",
        "about: \"a: b\"\nowner: pay\ndepends_on: [stock, shop db]\n",
    );
    let (stock, _) = crate::service::parse("stock", "s.yaml", "owner: pay\n");
    let (pay, _) = crate::team::parse("pay", "t.yaml", "members: [ana]\n");
    c.services.insert("shop".into(), shop);
    c.services.insert("stock".into(), stock);
    c.teams.insert("pay".into(), pay);
    let (all, findings) = parse("c", &render(&c));
    assert_eq!(findings, []);
    let shop = &all.services[0];
    assert_eq!(shop.about.as_deref(), Some("a: b"));
    assert_eq!(shop.owner.as_ref().unwrap().name, "pay");
    let calls: Vec<_> = shop.depends_on.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(calls, ["stock", "shop-db"]);
    assert_eq!((all.services.len(), all.teams.len()), (2, 1));
    assert_eq!(
        (all.people[0].name.as_str(), all.others[0].name.as_str()),
        ("ana", "shop-db")
    );
}
