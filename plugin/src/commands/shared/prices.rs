//! The prices of the site, as commands read and show them.

use jiff::Timestamp;
use serde_json::{Value, json};

use cmp_client::prices;
use cmp_core::keys;
use cmp_core::prices::change::Wish;
use cmp_core::prices::{Dated, PriceTable, Scope, check_currency};
use cmp_core::usage::price::Prices;

use crate::context::Context;
use crate::error::CliError;

/// Reads the prices. One broken key is an error, because every sum would be wrong without it.
pub(crate) async fn read(context: &Context<'_>) -> Result<PriceTable, CliError> {
    let (table, broken) = PriceTable::read(&prices::read(&context.client().await?).await?.data);
    broken.first().map_or(Ok(table), |broken| Err(CliError::user(broken.to_string()).hint(broken.hint())))
}

/// Reads the prices for a command that is about something else. A caller who may not read them has none.
pub(crate) async fn known(context: &Context<'_>) -> Result<PriceTable, CliError> {
    match read(context).await {
        Err(error) if error.is_forbidden() => Ok(PriceTable::default()),
        read => read,
    }
}

/// Returns the warning about keys of a newer version, if there are any. They may change a cost.
pub(crate) fn newer(table: &PriceTable) -> Option<String> {
    let names = table.newer.join(", ");
    (!names.is_empty()).then(|| {
        format!("configmap/{} has what this version does not know, and costs may differ: {names}", keys::PRICES)
    })
}

/// Returns prices as texts, so that no reader rounds them.
pub(crate) fn texts(prices: &Prices) -> Value {
    Value::Object(prices.iter().map(|(name, price)| (name.to_string(), json!(price.to_string()))).collect())
}

/// Returns the prices of one moment as an object, in the form that `create -f` reads.
pub(crate) fn object(table: &PriceTable, from: Timestamp, now: Timestamp) -> Value {
    let mut spec = json!({ "from": from, "currency": table.currency });
    for (scope, prices) in table.dates.get(&from).into_iter().flat_map(|Dated(scopes)| scopes) {
        spec[scope.as_str()] = texts(prices);
    }
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Prices",
        "metadata": { "name": from },
        "spec": spec,
        "status": { "holds": table.holds(from, now).as_str() },
    })
}

/// Reads prices in the form that `get prices -o yaml` prints.
pub(crate) fn of_object(object: &Value) -> Result<(Timestamp, Wish), String> {
    let Value::Object(spec) = &object["spec"] else { return Err("prices have no spec".to_owned()) };
    let mut wish = Wish::default();
    let mut from = None;
    for (field, value) in spec.iter().filter(|(_, value)| !value.is_null()) {
        let about = |why: String| format!("prices: spec.{field}: {why}");
        let text = || value.as_str().ok_or_else(|| about("it must be a text".to_owned()));
        match field.as_str() {
            "from" => from = Some(text()?.parse::<Timestamp>().map_err(|error| about(error.to_string()))?),
            "currency" => {
                check_currency(text()?).map_err(about)?;
                wish.currency = Some(text()?.to_owned());
            }
            field => {
                let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == field);
                let scope = scope.ok_or_else(|| about("there is no such field".to_owned()))?;
                let Value::Object(all) = value else { return Err(about("it must be an object".to_owned())) };
                let mut prices = Prices::new();
                for (name, price) in all {
                    let price =
                        price.as_str().ok_or_else(|| about(format!("{name}: a price is a text, such as \"0.03\"")))?;
                    let name = name
                        .parse()
                        .map_err(|error: cmp_core::resources::InvalidResourceName| about(error.to_string()))?;
                    let price = price
                        .parse()
                        .map_err(|error: cmp_core::usage::price::InvalidPrice| about(error.to_string()))?;
                    prices.insert(name, price);
                }
                wish.prices.insert(scope, prices);
            }
        }
    }
    let from = from.ok_or("prices: spec.from is missing: use a time such as 2026-12-01T00:00:00Z")?;
    whole_second(from).map(|from| (from, wish))
}

/// Checks that a moment is a whole second that the key of a ConfigMap can have.
pub(crate) fn whole_second(from: Timestamp) -> Result<Timestamp, String> {
    let second = Timestamp::from_second(from.as_second()).map_err(|error| error.to_string())?;
    if second != from || !(0..253_402_300_800).contains(&from.as_second()) {
        return Err(format!("{from} is not a whole second from 1970 to 9999"));
    }
    Ok(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_it_was_printed() {
        let row = r#"{"all":{"cpu":"0.03"},"vm":{"cpu":"0.04"},"suspended":{"storage":"0.1"}}"#;
        let data = [("currency", "EUR"), ("from.2026-12-01T00.00.00Z", row)];
        let (table, broken) = PriceTable::read(&data.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        assert_eq!(broken, []);
        let from: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let printed = object(&table, from, from);
        let (read, wish) = of_object(&printed).unwrap();
        assert_eq!((read, wish.currency.as_deref(), &wish.prices), (from, Some("EUR"), &table.dates[&from].0));
        let check = |field: &str, value: Value, expected: &str| {
            let mut printed = printed.clone();
            printed["spec"][field] = value;
            let said = of_object(&printed).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        };
        check("from", Value::Null, "prices: spec.from is missing");
        check("from", json!("2026-12-01T00:00:00.5Z"), "2026-12-01T00:00:00.5Z is not a whole second");
        check("from", json!("-000100-01-01T00:00:00Z"), "-000100-01-01T00:00:00Z is not a whole second");
        check("currency", json!("</script>"), "prices: spec.currency: \"</script>\" is not a currency");
        check("all", json!({ "cpu": 0.03 }), "prices: spec.all: cpu: a price is a text");
        check("all", json!({ "cpu": "x" }), "prices: spec.all: \"x\" is not a price");
        check("all", json!({ "gpu": "1" }), "prices: spec.all: \"gpu\" is not a resource");
        check("reserved", json!({}), "prices: spec.reserved: there is no such field");
    }
}
