//! Templates: the plan to store or delete one, and the blame if a want does not fit its template.

use serde_json::Value;

use crate::account::{Account, Want};
use crate::keys;
use crate::name::TemplateName;
use crate::plan::refusal::Refusal;
use crate::template::{Blueprint, Template, TemplateError, built_in_type};

/// A want that its template cannot make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The part that causes the error.
    pub blame: Blame,
    /// The error.
    pub wrong: TemplateError,
}

/// The part of a want that causes an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// The patch: without it, the want fits.
    Patch,
    /// A stored template.
    Template(TemplateName),
    /// The want itself.
    Want,
}

impl From<Misfit> for Refusal {
    /// The caller that knows the source of a patch names it instead.
    fn from(Misfit { blame, wrong }: Misfit) -> Self {
        Self::wish(match blame {
            Blame::Patch => format!("the patch: {wrong}"),
            Blame::Template(name) => format!("template {name}: {wrong}"),
            Blame::Want => wrong.to_string(),
        })
    }
}

/// Combines a template and a want. A want that cannot be made fails here, before any write.
pub fn blueprint(template: &Template, want: &Want) -> Result<Blueprint, Misfit> {
    template.blueprint(want).map_err(|wrong| {
        // If the want fails without the patch as well, the patch is not the cause.
        let plain = template.blueprint(&Want { patch: None, ..want.clone() });
        let blame = match (plain, &want.patch, &want.template) {
            (Ok(_), Some(_), _) => Blame::Patch,
            (_, _, Some(name)) => Blame::Template(name.clone()),
            _ => Blame::Want,
        };
        Misfit { blame, wrong }
    })
}

/// Checks the name of a template that is to be stored.
pub fn to_store(name: &TemplateName) -> Result<(), Refusal> {
    if built_in_type(name.as_str()).is_some() {
        return Err(Refusal::wish(format!("{name} is the name of a built-in template")).hint("choose another name"));
    }
    Ok(())
}

/// Compares a template that is stored already with the wish. An equal one is no error, because a second try finds it.
pub fn stored_already(name: &TemplateName, is: &Value, asked: &Value) -> Result<(), Refusal> {
    if is == asked {
        return Ok(());
    }
    Err(Refusal::wish(format!("template {name} exists and is different"))
        .hint(format!("delete it first: kubectl cmp delete template {name}; existing instances stay"))
        .hint(format!("or change it: kubectl edit configmap {name} -n {}", keys::TEMPLATES_NAMESPACE)))
}

/// Checks the names of templates that are to be deleted, before any of them is looked up.
pub fn to_delete(names: &[TemplateName]) -> Result<(), Refusal> {
    match names.iter().find(|name| built_in_type(name.as_str()).is_some()) {
        Some(name) => Err(Refusal::wish(format!("template {name} is built in, and cannot be deleted"))),
        None => Ok(()),
    }
}

/// Returns the lines about the templates that go, and about the clusters that use them.
pub fn goes(names: &[&str], accounts: &[&Account]) -> Vec<String> {
    let mut lines = Vec::new();
    for name in names {
        lines.push(format!("template/{name}"));
        for account in accounts {
            let uses = |want: &Want| want.template.as_ref().is_some_and(|used| used.as_str() == *name);
            let users = account.existing().filter(|(_, entry)| entry.want.as_ref().is_some_and(uses));
            lines.extend(users.map(|(cluster, _)| {
                format!("  cluster/{cluster} of {} uses it: its instances stay, no more can be made", account.user)
            }));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::account::tests::{account, want};

    fn name(text: &str) -> TemplateName {
        text.parse().unwrap()
    }

    #[test]
    fn the_part_that_causes_the_error_is_blamed() {
        let pod = json!({ "kind": "Pod", "apiVersion": "v1", "spec": { "containers": [
            { "name": "main", "image": "a" },
            { "name": "beside", "image": "b", "resources": { "limits": { "cpu": "1", "memory": "1Gi" } } },
        ] } });
        let (stored, _) = Template::read(&pod).unwrap();
        let patched = |size: &str, patch: Option<Value>| Want { patch, ..want(1, size) };
        let of_stored = |want: Want| Want { template: Some(name("big")), ..want };
        let bad = Some(json!({ "spec": { "hostNetwork": true } }));
        let (small, large) = ("cpu=1,memory=1Gi", "cpu=2,memory=2Gi");
        for (template, want, expected) in [
            (&Template::container(), patched(small, None), None),
            (&Template::container(), patched(small, bad.clone()), Some("the patch: spec.hostNetwork")),
            (&stored, of_stored(patched(large, None)), None),
            (&stored, of_stored(patched(large, bad.clone())), Some("the patch: spec.hostNetwork")),
            (&stored, of_stored(patched(small, None)), Some("template big: ")),
            // The size is too small with the patch and without it.
            (&stored, of_stored(patched(small, Some(json!({})))), Some("template big: ")),
            (&stored, patched(small, None), Some("spec.")),
        ] {
            let refusal = blueprint(template, &want).err().map(|misfit| Refusal::from(misfit).to_string());
            match (&refusal, expected) {
                (None, None) => {}
                (Some(refusal), Some(expected)) if refusal.starts_with(expected) => {}
                _ => panic!("{refusal:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn built_in_templates_are_neither_stored_nor_deleted() {
        assert_eq!(to_store(&name("big")), Ok(()));
        let refused = to_store(&name("vm")).unwrap_err();
        assert_eq!(refused.to_string(), "vm is the name of a built-in template\nhint: choose another name");
        assert_eq!(to_delete(&[name("big"), name("small")]), Ok(()));
        let refused = to_delete(&[name("big"), name("container")]).unwrap_err();
        assert_eq!(refused.to_string(), "template container is built in, and cannot be deleted");
    }

    #[test]
    fn a_template_that_is_stored_already_has_to_be_equal() {
        let (is, other) = (json!({ "kind": "Pod" }), json!({ "kind": "VirtualMachine" }));
        assert_eq!(stored_already(&name("big"), &is, &is), Ok(()));
        assert_eq!(
            stored_already(&name("big"), &is, &other).unwrap_err().to_string(),
            "template big exists and is different\n\
             hint: delete it first: kubectl cmp delete template big; existing instances stay\n\
             hint: or change it: kubectl edit configmap big -n cmp-templates"
        );
    }

    #[test]
    fn the_clusters_that_use_a_template_are_listed_below_it() {
        let uses = r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"},"template":"big"}"#;
        let plain = r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"}}"#;
        let accounts = [account(&[("want.web", uses), ("want.db", plain)]), account(&[])];
        assert_eq!(
            goes(&["big", "small"], &accounts.each_ref()),
            [
                "template/big",
                "  cluster/web of john uses it: its instances stay, no more can be made",
                "template/small",
            ]
        );
    }
}
