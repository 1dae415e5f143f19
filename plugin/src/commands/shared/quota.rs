//! The quota of an account as an object and as rows.

use serde_json::{Map, Value, json};

use cmp_core::account::Account;
use cmp_core::budget::{Usage, releasing, usages};
use cmp_core::keys;
use cmp_core::verdict::available;

use crate::error::CliError;

/// Returns the quota as `-o json` prints it.
pub(crate) fn object(account: &Account) -> Result<Value, CliError> {
    let used = account.charge().unwrap_or_default();
    let left = available(account).unwrap_or_default();
    let back = releasing(account).unwrap_or_default();
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!(keys::API_VERSION));
    object.insert("kind".to_owned(), json!("Quota"));
    object.insert("metadata".to_owned(), json!({ "name": account.user, "namespace": keys::USERS_NAMESPACE }));
    for (what, amounts) in [("total", &account.quota), ("used", &used), ("available", &left), ("releasing", &back)] {
        object.insert(format!("{what}_cpu"), number(&amounts.cpu().decimal())?);
        object.insert(format!("{what}_memory"), number(&amounts.memory().gibibytes())?);
    }
    object.insert("spec".to_owned(), json!({ "quota": account.quota, "policy": account.policy }));
    let status = json!({ "total": account.quota, "used": used, "available": left, "releasing": back });
    object.insert("status".to_owned(), status);
    Ok(Value::Object(object))
}

/// Converts decimal text into a JSON number.
pub(crate) fn number(text: &str) -> Result<Value, CliError> {
    serde_json::from_str(text).map_err(|error| CliError::internal(&format!("{text}: {error}")))
}

/// Returns one row for each resource: name, used, available, total, and releasing if any amount comes back.
pub(crate) fn quota_rows(account: &Account) -> Vec<Vec<String>> {
    rows_of(&usages(account).unwrap_or_default())
}

/// Returns the rows of [`quota_rows`].
pub(crate) fn rows_of(usages: &[Usage]) -> Vec<Vec<String>> {
    let mut heads = vec!["RESOURCE", "USED", "AVAILABLE", "TOTAL"];
    if usages.iter().any(|usage| !usage.releasing.is_zero()) {
        heads.push("RELEASING");
    }
    let row = |usage: &Usage| {
        let cells = [usage.name.to_string()].into_iter().chain(usage.amounts());
        cells.take(heads.len()).collect()
    };
    let rows = usages.iter().map(row);
    [heads.iter().map(|head| (*head).to_owned()).collect()].into_iter().chain(rows).collect()
}
