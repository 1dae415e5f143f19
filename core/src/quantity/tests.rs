use proptest::prelude::*;

use super::*;

/// The results of the real apimachinery for each text; `tests/control-plane/vectors` makes the file.
const VECTORS: &str = include_str!("../../tests/vectors/quantity.tsv");

#[test]
fn reads_and_prints_what_kubernetes_does() {
    let mut seen = 0;
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (text, verdict) = (fields.next().unwrap(), fields.next().unwrap());
        let ours = text.parse::<Quantity>();
        seen += 1;
        if verdict == "error" {
            assert!(ours.is_err(), "{text:?}: Kubernetes refuses it, we read {ours:?}");
            continue;
        }
        let (canonical, nanos) = (verdict, fields.next().unwrap());
        let digitless = !text.bytes().any(|byte| byte.is_ascii_digit());
        let beyond = nanos.parse::<i128>().map_or(true, |nanos| nanos.abs() > MAX);
        // Kubernetes caps larger amounts with a binary suffix at 9223372036854775807. They are refused here, too.
        let capped = nanos.trim_start_matches('-') == MAX.to_string() && text.ends_with('i');
        if digitless || beyond || capped {
            assert!(ours.is_err(), "{text:?}: on purpose refused, we read {ours:?}");
            continue;
        }
        let ours = ours.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(ours.nanos().to_string(), nanos, "the value of {text:?}");
        assert_eq!(ours.to_string(), canonical, "the canonical form of {text:?}");
    }
    assert!(seen > 500, "only {seen} vectors");
}

#[test]
fn sums_keep_the_form_of_the_first() {
    let check = |a: &str, b: &str, sum: &str| {
        let (a, b): (Quantity, Quantity) = (a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(a.checked_add(b).unwrap().to_string(), sum);
    };
    check("1Gi", "1Gi", "2Gi");
    check("0", "512Mi", "512Mi");
    check("1Gi", "1G", "2073741824");
    check("1500m", "500m", "2");
    check("9007199254740993", "0", "9007199254740993");
}

#[test]
fn a_part_is_a_whole_number_of_steps() {
    let step = Quantity::mebibytes(1);
    for (whole, parts, expected) in [
        ("40Gi", 2, Some("20Gi")),
        ("3Mi", 1, Some("3Mi")),
        ("3Mi", 2, None),
        ("1500M", 2, None),
        ("0", 2, Some("0")),
        ("1Gi", 0, None),
    ] {
        let part = whole.parse::<Quantity>().unwrap().part(parts, step);
        assert_eq!(part, expected.map(|part| part.parse().unwrap()), "{whole} {parts}");
    }
}

#[test]
fn decimals_are_exact() {
    let check = |text: &str, decimal: &str, gibibytes: &str| {
        let quantity: Quantity = text.parse().unwrap();
        assert_eq!((quantity.decimal().as_str(), quantity.gibibytes().as_str()), (decimal, gibibytes), "{text}");
    };
    check("1500m", "1.5", "0.000000001");
    check("4Gi", "4294967296", "4");
    check("512Mi", "536870912", "0.5");
    check("-1", "-1", "-0.000000001");
    check("1n", "0.000000001", "0");
}

#[test]
fn absurd_texts_are_refused_not_guessed() {
    for text in [
        "",
        "-",
        ".",
        "1.2.3",
        "1ki",
        "1 Gi",
        "Gi",
        "--1",
        "0x1",
        "1e",
        "1e99999999999",
        "1e40",
        "9E999",
        "٣",
        "1\u{0}",
    ] {
        assert!(text.parse::<Quantity>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn printed_quantities_are_read_back(nanos in -MAX..=MAX, format in 0..3_usize) {
        let format = [Format::Binary, Format::Decimal, Format::Exponent][format];
        let quantity = Quantity { nanos, format };
        prop_assert_eq!(quantity.to_string().parse::<Quantity>(), Ok(quantity));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        text.parse::<Quantity>().ok();
    }

    #[test]
    fn any_number_is_read_or_refused(text in "[+-]?[0-9]{0,45}[.]?[0-9]{0,45}(|n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e-?[0-9]{1,3})") {
        if let Ok(quantity) = text.parse::<Quantity>() {
            prop_assert_eq!(quantity.to_string().parse::<Quantity>(), Ok(quantity));
        }
    }

    #[test]
    fn adding_and_taking_away_leads_back(a in -MAX..=MAX, b in -MAX..=MAX) {
        let (a, b) = (Quantity { nanos: a, format: Format::Decimal }, Quantity { nanos: b, format: Format::Binary });
        prop_assert_eq!(a.checked_add(b).and_then(|sum| sum.checked_sub(b)), Some(a));
    }
}
