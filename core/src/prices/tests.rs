use std::collections::BTreeMap;

use proptest::prelude::*;

use super::change::{Change, Wish, applied, remove, remove_all, set};
use super::*;
use crate::resources::{CPU, MEMORY};

type Data = BTreeMap<String, String>;

const DECEMBER: &str = "from.2026-12-01T00.00.00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn data(rows: &[(&str, &str)]) -> Data {
    rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn prices(text: &str) -> Prices {
    let one = |text: &str| {
        let (name, price) = text.split_once('=').unwrap();
        (name.parse().unwrap(), price.parse().unwrap())
    };
    text.split_whitespace().map(one).collect()
}

fn wish(rows: &[(Scope, &str)], currency: Option<&str>) -> Wish {
    let prices = rows.iter().map(|(scope, text)| (*scope, prices(text))).collect();
    Wish { prices, currency: currency.map(str::to_owned) }
}

/// Describes prices: `cpu=1 memory=2`.
fn shown(prices: &Prices) -> String {
    prices.iter().map(|(name, price)| format!("{name}={price}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_price_holds_until_it_is_set_anew() {
    let stored = data(&[
        ("currency", "EUR"),
        ("from.2026-01-01T00.00.00Z", r#"{"all":{"cpu":"0.03","memory":"0.004"},"vm":{"cpu":"0.05"}}"#),
        (DECEMBER, r#"{"all":{"cpu":"0.04"},"suspended":{"storage":"0.0001"}}"#),
        ("from.2026-12-02T00.00.00Z", r#"{"container":{"a.b/gpu":"1"},"vm":{"cpu":"0.06"}}"#),
    ]);
    let (table, broken) = PriceTable::read(&stored);
    assert_eq!((table.currency.as_deref(), &table.newer[..], &broken[..]), (Some("EUR"), &[][..], &[][..]));
    let check = |when: &str, expected: [&str; 3]| {
        let Tariff { containers, vms, off } = table.tariff(at(when));
        assert_eq!([&containers, &vms, &off].map(shown), expected, "{when}");
        // A report finds the same prices.
        let range = Range { from: at(when), until: at("2027-01-01T00:00:00Z") };
        let rates = table.rates(range);
        let first = rates.periods().next().filter(|(from, _)| *from <= range.from);
        let tariff = first.map_or_else(Tariff::default, |(_, tariff)| tariff.clone());
        assert_eq!([&tariff.containers, &tariff.vms, &tariff.off].map(shown), expected, "{when}");
    };
    check("2025-12-31T23:59:59Z", ["", "", ""]);
    check("2026-01-01T00:00:00Z", ["cpu=0.03 memory=0.004", "cpu=0.05 memory=0.004", ""]);
    check("2026-11-30T23:59:59.999Z", ["cpu=0.03 memory=0.004", "cpu=0.05 memory=0.004", ""]);
    // A later price of all types replaces that of one type.
    check("2026-12-01T00:00:00Z", ["cpu=0.04 memory=0.004", "cpu=0.04 memory=0.004", "storage=0.0001"]);
    let last = ["a.b/gpu=1 cpu=0.04 memory=0.004", "cpu=0.06 memory=0.004", "storage=0.0001"];
    check("2026-12-02T00:00:00Z", last);
    let holds = |now: &str| table.dates.keys().map(|from| table.holds(*from, at(now)).as_str()).collect::<Vec<_>>();
    assert_eq!(holds("2026-11-29T00:00:00Z"), ["now", "later", "later"]);
    assert_eq!(holds("2026-12-03T00:00:00Z"), ["now", "now", "now"]);
    let one = data(&[("from.2026-01-01T00.00.00Z", r#"{"vm":{"cpu":"1"}}"#), (DECEMBER, r#"{"all":{"cpu":"2"}}"#)]);
    let (table, _) = PriceTable::read(&one);
    assert_eq!(table.holds(at("2026-01-01T00:00:00Z"), at("2026-12-01T00:00:00Z")), Holds::Past);
    let texts: Vec<String> = PriceTable::read(&stored).0.dates.values().map(ToString::to_string).collect();
    assert_eq!(texts[0], "cpu=0.03 memory=0.004, vm: cpu=0.05");
    assert_eq!(texts[1], "cpu=0.04, suspended: storage=0.0001");
}

#[test]
fn a_broken_key_is_named_with_its_remedy() {
    let check = |key: &str, value: &str, expected: &str, hint: &str| {
        let (_, broken) = PriceTable::read(&data(&[(key, value), ("from.2026-01-01T00.00.00Z", r#"{"all":{}}"#)]));
        let [broken] = &broken[..] else { panic!("{key}={value}: {broken:?}") };
        let said = broken.to_string();
        let rest = said.strip_prefix("configmap/cmp-prices in cmp-templates: ").unwrap();
        assert!(rest.starts_with(expected), "{said}");
        assert!(broken.hint().contains(hint), "{}", broken.hint());
    };
    let removed = "set prices --remove --from 2026-12-01T00:00:00Z";
    let (of_date, edit) = (format!("{DECEMBER} "), "kubectl edit configmap cmp-prices -n cmp-templates");
    for (value, why) in [
        ("", "is not JSON: EOF"),
        ("{", "is not JSON: EOF"),
        ("[]", "is no JSON object: the form is"),
        (r#"{"all":1}"#, "has all that is no object: the form is {\"cpu\":\"0.03\"}"),
        (r#"{"all":{"cpu":0.03}}"#, "has all.cpu=0.03: a price is a text, such as \"0.03\""),
        (r#"{"all":{"cpu":"1e3"}}"#, "has all.cpu: \"1e3\" is not a price: use a number such as 0.03"),
        (r#"{"vm":{"cpu":"-1"}}"#, "has vm.cpu: \"-1\" is not a price"),
        (r#"{"all":{"<b>":"1"}}"#, "has all.\"<b>\": \"<b>\" is not a resource"),
    ] {
        check(DECEMBER, value, &format!("{of_date}{why}"), removed);
    }
    let long = format!("{{\"all\":{{\"cpu\":\"{}\"}}}}", "1".repeat(9000));
    check(DECEMBER, &long, &format!("{of_date}has 9018 bytes, the maximum is 8192"), removed);
    let many: Vec<String> = (0..33).map(|number| format!("\"a.b/r{number}\":\"1\"")).collect();
    let many = format!("{{\"all\":{{{}}}}}", many.join(","));
    check(DECEMBER, &many, &format!("{of_date}has 33 prices, the maximum is 32"), removed);
    for key in ["from.", "from.2026-12-01", "from.2026-13-01T00.00.00Z", "from.2026-12-01T00.00.00.5Z", "from.now"] {
        check(key, "{}", &format!("{key} is not the key of a date: the form is from.2026-12-01T00.00.00Z"), edit);
    }
    for currency in ["", "</title><script>alert(1)</script>", "E UR", "=1+1", "toolongname", "\u{202e}"] {
        check("currency", currency, "currency is ", "kubectl cmp set prices --currency EUR");
    }
}

#[test]
fn the_number_of_dates_is_bounded() {
    let rows = |count: i64| -> Data {
        let from = |number| key(Timestamp::from_second(number).unwrap());
        (0..count).map(|number| (from(number), r#"{"all":{"cpu":"1"}}"#.to_owned())).collect()
    };
    let most = i64::try_from(MOST_DATES).unwrap();
    assert_eq!(PriceTable::read(&rows(most)).1, []);
    let (_, broken) = PriceTable::read(&rows(most + 1));
    assert_eq!(
        broken[0].to_string(),
        "configmap/cmp-prices in cmp-templates: from.1970-01-01T00.00.00Z is one of 101 dates, the maximum is 100"
    );
    let refused = set(&rows(most), &wish(&[(Scope::All, "cpu=1")], None), at("2026-12-01T00:00:00Z")).unwrap_err();
    assert!(refused.to_string().contains("is one of 101 dates"), "{refused}");
    // The date that exists can be changed.
    assert!(set(&rows(most), &wish(&[(Scope::All, "cpu=2")], None), at("1970-01-01T00:00:00Z")).is_ok());
}

#[test]
fn prices_are_set_and_removed() {
    let from = at("2026-12-01T00:00:00Z");
    let mut stored = Data::new();
    let mut to = |rows: &[(Scope, &str)], currency: Option<&str>, expected: Option<&str>| {
        let change = set(&stored, &wish(rows, currency), from).unwrap();
        stored = applied(&stored, &change);
        assert_eq!(change.get(DECEMBER).map(|value| value.as_deref().unwrap()), expected, "{rows:?}");
        assert_eq!(PriceTable::read(&stored).1, []);
        change.len()
    };
    let first = r#"{"all":{"cpu":"0.03","memory":"0.004"}}"#;
    assert_eq!(to(&[(Scope::All, "cpu=0.030 memory=0.004")], Some("EUR"), Some(first)), 2);
    assert_eq!(to(&[(Scope::All, "cpu=0.03")], Some("EUR"), None), 0);
    assert_eq!(to(&[], Some("USD"), None), 1);
    let both = r#"{"all":{"cpu":"0.03","memory":"0.004"},"suspended":{"storage":"0.1"},"vm":{"cpu":"0.05"}}"#;
    to(&[(Scope::Vms, "cpu=0.05"), (Scope::Off, "storage=0.1")], None, Some(both));
    // At the same moment, the price of all types is the newer one.
    let all = r#"{"all":{"cpu":"0.06","memory":"0.004"},"suspended":{"storage":"0.1"}}"#;
    to(&[(Scope::All, "cpu=0.06")], None, Some(all));

    let gone = remove(&stored, from).unwrap();
    assert_eq!(gone, Change::from([(DECEMBER.to_owned(), None)]));
    assert_eq!(
        remove(&stored, at("2026-12-02T00:00:00Z")).unwrap_err().to_string(),
        "prices \"2026-12-02T00:00:00Z\" not found\nhint: `kubectl cmp get prices` shows the dates from which prices hold"
    );
    let refused = |rows: &[(Scope, &str)]| set(&stored, &wish(rows, None), from).unwrap_err().to_string();
    assert!(refused(&[]).starts_with("no price is given"));
    assert!(refused(&[(Scope::All, "")]).starts_with("no price is given"));
    let off = refused(&[(Scope::Off, "cpu=1")]);
    assert!(off.starts_with("--suspended cpu: it costs nothing while an instance is off"), "{off}");
}

#[test]
fn keys_of_a_newer_version_stay_and_are_named() {
    let stored = data(&[
        ("currency", "EUR"),
        ("discount", "10%"),
        (DECEMBER, r#"{"all":{"cpu":"1","gpu":"7"},"reserved":{"cpu":"2"}}"#),
    ]);
    let (table, broken) = PriceTable::read(&stored);
    let names = ["discount", "from.2026-12-01T00.00.00Z: all.gpu", "from.2026-12-01T00.00.00Z: reserved"];
    assert_eq!((&table.newer[..], &broken[..]), (&names.map(str::to_owned)[..], &[][..]));
    let change = set(&stored, &wish(&[(Scope::All, "cpu=3")], None), at("2026-12-01T00:00:00Z")).unwrap();
    let after = applied(&stored, &change);
    assert_eq!(after["discount"], "10%");
    assert_eq!(after[DECEMBER], r#"{"all":{"cpu":"3","gpu":"7"},"reserved":{"cpu":"2"}}"#);
    assert_eq!(applied(&stored, &remove_all(&stored)), data(&[("discount", "10%")]));
}

#[test]
fn broken_prices_can_be_removed_but_not_changed() {
    let stored = data(&[("currency", "E UR"), (DECEMBER, "?"), ("from.never", "{}"), ("x", "y")]);
    let from = at("2026-12-01T00:00:00Z");
    let refused = set(&stored, &wish(&[(Scope::All, "cpu=1")], None), from).unwrap_err().to_string();
    assert!(refused.contains(": currency is \"E UR\" is not a currency"), "{refused}");
    let refused = set(&stored, &wish(&[], Some("EUR")), from).unwrap_err().to_string();
    assert!(refused.contains(&format!(": {DECEMBER} is not JSON")), "{refused}");
    let stored = applied(&stored, &remove(&stored, from).unwrap());
    assert_eq!(applied(&stored, &remove_all(&stored)), data(&[("x", "y")]));
    let currency = data(&[("currency", "E UR"), (DECEMBER, r#"{"all":{"cpu":"1"}}"#)]);
    assert_eq!(
        set(&currency, &wish(&[], Some("EUR")), from),
        Ok([("currency".to_owned(), Some("EUR".to_owned()))].into())
    );
}

proptest! {
    #[test]
    fn any_data_is_read_or_named(key in "(from\\.)?[-._a-zA-Z0-9]{0,24}", value in "\\PC{0,60}") {
        let (table, broken) = PriceTable::read(&[(key, value)].into());
        prop_assert!(table.dates.len() + broken.len() + table.newer.len() + usize::from(table.currency.is_some()) >= 1);
    }

    #[test]
    fn a_price_that_is_set_is_read(
        second in 0..4_000_000_000_i64,
        cpu in "[0-9]{1,9}([.][0-9]{1,9})?",
        memory in "[0-9]{1,9}",
        vm: bool,
    ) {
        let from = Timestamp::from_second(second).unwrap();
        let scope = if vm { Scope::Vms } else { Scope::All };
        let asked = wish(&[(scope, &format!("cpu={cpu} memory={memory}"))], None);
        let stored = applied(&Data::new(), &set(&Data::new(), &asked, from).unwrap());
        let (table, broken) = PriceTable::read(&stored);
        prop_assert_eq!(broken, []);
        prop_assert_eq!(&table.dates[&from].0, &asked.prices);
        let tariff = table.tariff(from);
        for name in [CPU, MEMORY] {
            prop_assert_eq!(tariff.vms.get(name), asked.prices[&scope].get(name));
            prop_assert_eq!(tariff.containers.contains_key(name), !vm);
        }
        prop_assert!(table.tariff(from - jiff::SignedDuration::from_nanos(1)).is_empty());
    }
}
