//! The quota of an account as an object and as rows.

use serde_json::{Map, Value, json};

use cmp_core::account::Account;
use cmp_core::keys;
use cmp_core::resources::Resources;
use cmp_core::verdict::available;

use crate::error::CliError;

/// Returns the quota as `-o json` prints it.
pub(crate) fn object(account: &Account) -> Result<Value, CliError> {
    let used = account.charge().unwrap_or_default();
    let left = available(account).unwrap_or_default();
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!(keys::API_VERSION));
    object.insert("kind".to_owned(), json!("Quota"));
    object.insert("metadata".to_owned(), json!({ "name": account.user, "namespace": keys::USERS_NAMESPACE }));
    for (what, amounts) in [("total", &account.quota), ("used", &used), ("available", &left)] {
        object.insert(format!("{what}_cpu"), number(&amounts.cpu().decimal())?);
        object.insert(format!("{what}_memory"), number(&amounts.memory().gibibytes())?);
    }
    object.insert("spec".to_owned(), json!({ "quota": account.quota, "policy": account.policy }));
    object.insert("status".to_owned(), json!({ "total": account.quota, "used": used, "available": left }));
    Ok(Value::Object(object))
}

/// Converts exact decimal text into a JSON number.
fn number(text: &str) -> Result<Value, CliError> {
    serde_json::from_str(text).map_err(|error| CliError::internal(&format!("{text}: {error}")))
}

/// Returns one row for each resource: name, used, available, total.
pub(crate) fn quota_rows(account: &Account) -> Vec<Vec<String>> {
    let mut rows = vec![["RESOURCE", "USED", "AVAILABLE", "TOTAL"].map(str::to_owned).to_vec()];
    let (used, left): (Resources, Resources) =
        (account.charge().unwrap_or_default(), available(account).unwrap_or_default());
    for (name, total) in account.quota.iter() {
        rows.push(vec![name.to_string(), used.get(name).to_string(), left.get(name).to_string(), total.to_string()]);
    }
    rows
}
