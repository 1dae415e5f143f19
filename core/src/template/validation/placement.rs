//! The fields by which the scheduler chooses a node.

use std::collections::BTreeSet;

use super::at::At;
use super::labels;
use super::text::{dns_subdomain, label_value, qualified_name};
use crate::template::rules::Checked;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Checks the placement of a Pod.
pub(super) fn check(spec: &At<'_>) -> Checked {
    let affinity = spec.child("affinity");
    nodes(&affinity.child("nodeAffinity"))?;
    for kind in ["podAffinity", "podAntiAffinity"].map(|kind| affinity.child(kind)) {
        kind.child(REQUIRED).items().try_for_each(|term| pods(&term))?;
        for preferred in kind.child(PREFERRED).items() {
            weight(&preferred)?;
            pods(&preferred.child("podAffinityTerm"))?;
        }
    }
    spread(&spec.child("topologySpreadConstraints"))?;
    spec.child("tolerations").items().try_for_each(|toleration| tolerates(&toleration))
}

/// Checks the weight of a preference.
fn weight(preferred: &At<'_>) -> Checked {
    let weight = preferred.child("weight");
    if weight.number().unwrap_or_default() == 0 {
        return weight.invalid("must be between 1 and 100");
    }
    weight.within(1..=100)
}

fn nodes(affinity: &At<'_>) -> Checked {
    let required = affinity.child(REQUIRED);
    let terms = required.child("nodeSelectorTerms");
    if required.is_there() && terms.items().next().is_none() {
        return terms.missing("it must have at least one term");
    }
    for term in terms.items() {
        node_term(&term)?;
        for rule in term.child("matchExpressions").items() {
            rule.child("values").items().try_for_each(|value| value.passes(label_value))?;
        }
    }
    for preferred in affinity.child(PREFERRED).items() {
        weight(&preferred)?;
        node_term(&preferred.child("preference"))?;
    }
    Ok(())
}

/// Checks a term about the labels and the name of a node.
fn node_term(term: &At<'_>) -> Checked {
    for rule in term.child("matchExpressions").items() {
        operator(&rule, &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"])?;
        rule.child("key").passes(qualified_name)?;
    }
    for rule in term.child("matchFields").items() {
        let values = rule.child("values");
        if !["In", "NotIn"].contains(&rule.child("operator").text()) {
            return rule.child("operator").invalid("must be In or NotIn for a field");
        }
        if values.items().count() != 1 {
            return values.missing("it must be one value");
        }
        if rule.child("key").text() != "metadata.name" {
            return rule.child("key").invalid("must be metadata.name");
        }
        values.items().try_for_each(|value| value.passes(dns_subdomain))?;
    }
    Ok(())
}

/// Checks the operator of a rule, and the number of values that it needs.
fn operator(rule: &At<'_>, known: &[&str]) -> Checked {
    let (operator, values) = (rule.child("operator"), rule.child("values"));
    let count = values.items().count();
    match operator.text() {
        word if !known.contains(&word) => operator.invalid(&format!("must be one of {}", known.join(", "))),
        "In" | "NotIn" if count == 0 => values.missing("In and NotIn need it"),
        "Exists" | "DoesNotExist" if count > 0 => values.forbidden("Exists and DoesNotExist have none"),
        "Gt" | "Lt" if count != 1 => values.missing("Gt and Lt need one value"),
        _ => Ok(()),
    }
}

/// Checks a selector of labels.
fn selector(selector: &At<'_>) -> Checked {
    labels::check(&selector.child("matchLabels"))?;
    for rule in selector.child("matchExpressions").items() {
        operator(&rule, &["In", "NotIn", "Exists", "DoesNotExist"])?;
        rule.child("key").passes(qualified_name)?;
        rule.child("values").items().try_for_each(|value| value.passes(label_value))?;
    }
    Ok(())
}

/// Checks a term about other Pods.
fn pods(term: &At<'_>) -> Checked {
    selector(&term.child("labelSelector"))?;
    term.child("topologyKey").needed()?;
    term.child("topologyKey").passes(qualified_name)
}

fn spread(constraints: &At<'_>) -> Checked {
    let mut kinds = BTreeSet::new();
    for constraint in constraints.items() {
        let (skew, key, action) =
            (constraint.child("maxSkew"), constraint.child("topologyKey"), constraint.child("whenUnsatisfiable"));
        if skew.number().unwrap_or_default() == 0 {
            return skew.invalid("must be greater than 0");
        }
        skew.within(1..=i64::MAX)?;
        key.needed()?;
        action.listed(&["DoNotSchedule", "ScheduleAnyway"])?;
        if !kinds.insert((key.text(), action.text())) {
            // A constraint is known by these two fields.
            return constraint.duplicate();
        }
        let domains = constraint.child("minDomains");
        domains.within(1..=i64::MAX)?;
        if domains.is_there() && action.text() != "DoNotSchedule" {
            return domains.invalid("may only be used if whenUnsatisfiable is DoNotSchedule");
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"].map(|key| constraint.child(key)) {
            if policy.is_there() {
                policy.listed(&["Honor", "Ignore"])?;
            }
        }
        selector(&constraint.child("labelSelector"))?;
    }
    Ok(())
}

fn tolerates(toleration: &At<'_>) -> Checked {
    let (key, operator, value, effect) =
        (toleration.child("key"), toleration.child("operator"), toleration.child("value"), toleration.child("effect"));
    if key.text().is_empty() {
        if operator.text() != "Exists" {
            return operator.invalid("must be Exists if there is no key");
        }
    } else {
        key.passes(qualified_name)?;
    }
    if toleration.child("tolerationSeconds").is_there() && effect.text() != "NoExecute" {
        return effect.invalid("must be NoExecute if tolerationSeconds is set");
    }
    operator.one_of(&["Equal", "Exists"])?;
    if operator.text() == "Exists" {
        if !value.text().is_empty() {
            return value.invalid("must be empty if the operator is Exists");
        }
    } else {
        value.passes(label_value)?;
    }
    effect.one_of(&["NoSchedule", "PreferNoSchedule", "NoExecute"])
}
