//! The work of a review: n bytes may cost no more than c·n·log n, whatever they are.
//!
//! The tests count steps instead of seconds: the bytes and pieces that are allocated on the way to the answer. A reader
//! that goes over a list once more for each element also copies it each time.

use std::sync::atomic::{AtomicU64, Ordering};

use allocation_counter::{AllocationInfo, measure};
use cmp_core::keys;
use cmp_webhook::admission::Question;
use serde_json::{Map, Value, json};

use crate::{MACHINE, POD, POD_WORDS, WORDS, review, texts};

/// The most steps for a byte and a doubling of the input. A container of a Pod takes 1 KiB in memory, and `{}` in a
/// text; a template is copied some twenty times.
const STEPS: f64 = 3000.0;
/// The steps of the smallest review: the built-in templates, the first lines of a log.
const START: f64 = 4_000_000.0;
/// The most memory at one time in bytes, in addition to two bytes for each byte of the review.
const MEMORY: u64 = 40 << 20;

/// Returns the number of allocated bytes and pieces.
fn steps(cost: &AllocationInfo) -> f64 {
    cost.bytes_total as f64 + cost.count_total as f64
}

/// Answers a review, and checks the cost against the bounds.
fn cost(question: Question, body: &str) -> AllocationInfo {
    let cost = measure(|| drop(question.answer(body.as_bytes())));
    let length = body.len() as f64;
    let most = START + STEPS * length * length.log2().max(1.0);
    let start: String = body.chars().take(3000).collect();
    assert!(steps(&cost) <= most, "{question:?}: {} bytes cost {} steps: {start}", body.len(), steps(&cost));
    let memory = MEMORY + 2 * body.len() as u64;
    assert!(cost.bytes_max <= memory, "{question:?}: {} bytes take {}: {start}", body.len(), cost.bytes_max);
    cost
}

/// Checks a review of a list at several lengths: four times the length costs hardly more than four times as much.
fn grows(name: &str, question: Question, lengths: [usize; 3], body: impl Fn(usize) -> String) {
    let bodies = lengths.map(body);
    let costs = bodies.each_ref().map(|body| cost(question, body));
    let last = bodies[2].len();
    println!(
        "{name}: {last} bytes cost {:.0} steps each, {} KiB",
        steps(&costs[2]) / last as f64,
        costs[2].bytes_max >> 10
    );
    for (body, cost) in bodies.windows(2).zip(costs.windows(2)) {
        let longer = body[1].len() as f64 / body[0].len() as f64;
        let dearer = (steps(&cost[1]) + START) / (steps(&cost[0]) + START);
        assert!(dearer <= longer * 1.5, "{name}: {longer:.1} times the length costs {dearer:.1} times as much");
    }
}

/// Returns a review of an account that changes from one data to another.
fn change(old: &Map<String, Value>, new: &Map<String, Value>) -> String {
    let mut review = review();
    for (object, data) in [("oldObject", old), ("object", new)] {
        review["request"][object]["data"] = Value::Object(data.clone());
    }
    review.to_string()
}

fn data(entries: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    let quota = ("quota".to_owned(), r#"{"cpu":"16","memory":"64Gi"}"#.to_owned());
    [quota].into_iter().chain(entries).map(|(key, value)| (key, value.into())).collect()
}

fn want(more: &str) -> String {
    format!(r#"{{"type":"container","count":1,"size":{{"cpu":"1","memory":"1Gi"}}{more}}}"#)
}

fn times(count: usize, of: impl Fn(usize) -> String) -> String {
    (0..count).map(of).collect::<Vec<_>>().join(",")
}

#[test]
fn lists_in_accounts() {
    let (account, lengths) = (Question::Account, [500, 2000, 8000]);
    let none = data([]);
    grows("unreadable wants that are mended", account, lengths, |count| {
        let bad = data((0..count).map(|at| (format!("want.a{at}"), "x".to_owned())));
        let good = data((0..count).map(|at| (format!("want.a{at}"), want(""))));
        change(&bad, &good)
    });
    grows("wants, each with a resource of its own", account, [200, 800, 3200], |count| {
        let wants = (0..count).map(|at| {
            let size = format!(r#"{{"cpu":"1","memory":"1Gi","a.b/c{}":"1"}}"#, 1_000_000 - at);
            (format!("want.a{at}"), format!(r#"{{"type":"container","count":1,"size":{size}}}"#))
        });
        let wants = data(wants);
        change(&wants, &data([("want.b".to_owned(), want(""))].into_iter().chain(pairs(&wants))))
    });
    grows("a size of many resources", account, lengths, |count| {
        let size = times(count, |at| format!(r#""a.b/c{}":"1""#, 1_000_000 - at));
        let want = format!(r#"{{"type":"container","count":1,"size":{{{size}}}}}"#);
        change(&none, &data([("want.web".to_owned(), want)]))
    });
    grows("a patch of many values", account, [5000, 20_000, 80_000], |count| {
        let patch = want(&format!(r#","patch":[{}]"#, times(count, |_| "0".to_owned())));
        change(&none, &data([("want.web".to_owned(), patch)]))
    });
    grows("unreadable elements", account, lengths, |count| {
        let env = want(&format!(r#","env":[{}]"#, times(count, |at| format!(r#"{{"name":"a{at}","value":{at}}}"#))));
        change(&none, &data([("want.web".to_owned(), env)]))
    });
    grows("more entries than an account has", account, [5000, 20_000, 80_000], |count| {
        change(&none, &data((0..count).map(|at| (format!("want.a{at}"), "x".to_owned()))))
    });
    grows("labels, annotations and field managers", account, lengths, |count| {
        let mut review = review();
        let map: Map<String, Value> = (0..count).map(|at| (format!("a.b/c{at}"), "x".into())).collect();
        let metadata = &mut review["request"]["object"]["metadata"];
        metadata["annotations"] = Value::Object(map.clone());
        metadata["managedFields"] = (0..count).map(|at| json!({ "manager": at.to_string() })).collect();
        metadata["labels"].as_object_mut().unwrap().extend(map);
        review.to_string()
    });
}

fn pairs(data: &Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    data.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
}

/// Returns a review of a template.
fn template(text: &str) -> String {
    let metadata = json!({ "name": "x", "namespace": "cmp-templates", "labels": { (keys::TEMPLATE): "true" } });
    let object = json!({ "metadata": metadata, "data": { "template": text } });
    json!({ "request": { "uid": "question-1", "userInfo": { "username": "admin" }, "object": object } }).to_string()
}

#[test]
fn lists_in_templates() {
    let check = |name: &str, spec: &dyn Fn(usize) -> String, longest: usize| {
        grows(name, Question::Template, [longest / 16, longest / 4, longest], |count| {
            template(&format!(r#"{{"apiVersion":"v1","kind":"Pod","spec":{{{}}}}}"#, spec(count)))
        });
    };
    let main = r#"{"name":"a","image":"x"}"#;
    let containers = |list: String| format!(r#""containers":[{main},{list}]"#);
    check("unreadable containers", &|count| containers(times(count, |_| "1".to_owned())), 4900);
    check("more of them than a Pod has", &|count| containers(times(count, |_| "1".to_owned())), 30_000);
    check(
        "one unreadable field at the end",
        &|count| containers(format!(r#"{},{{"name":1}}"#, times(count, |_| "{}".to_owned()))),
        4900,
    );
    check("more containers than a Pod has", &|count| containers(times(count, |_| "{}".to_owned())), 20_000);
    check(
        "a field that there is not, at the end",
        &|count| containers(format!(r#"{},{{"nme":"a"}}"#, times(count, |at| format!(r#"{{"name":"a{at}"}}"#)))),
        3000,
    );
    let tolerations = |count| times(count, |at| format!(r#"{{"key":"k{at}","operator":"Exists"}}"#));
    check("tolerations", &|count| format!(r#""containers":[{main}],"tolerations":[{}]"#, tolerations(count)), 1500);
    check(
        "init containers with a share each",
        &|count| {
            let kinds = times(13, |at| format!(r#""a.b/c{at}":"1""#));
            let side = format!(
                r#"{{"name":"b","image":"x","restartPolicy":"Always","resources":{{"limits":{{"cpu":"1","memory":"1Gi",{kinds}}}}}}}"#
            );
            let inits = times(count, |_| r#"{"image":"x"}"#.to_owned());
            format!(r#""containers":[{main}],"initContainers":[{side},{inits}]"#)
        },
        3000,
    );
    check(
        "kinds of resources",
        &|count| {
            let one = |at| {
                format!(
                    r#"{{"name":"b","image":"x","resources":{{"limits":{{"cpu":"1","memory":"1Gi","a.b/c{at}":"1"}}}}}}"#
                )
            };
            containers(times(count, one))
        },
        600,
    );
    check(
        "sidecars and init containers in turn",
        &|count| {
            let one = |at| {
                let policy = if at % 2 == 0 { r#","restartPolicy":"Always""# } else { "" };
                format!(
                    r#"{{"image":"x"{policy},"resources":{{"limits":{{"cpu":"1","memory":"1Gi","a.b/c{at}":"1"}}}}}}"#
                )
            };
            format!(r#""containers":[{main}],"initContainers":[{}]"#, times(count, one))
        },
        600,
    );
    check(
        "volumes",
        &|count| {
            let volumes = times(count, |at| format!(r#"{{"name":"v{at}","emptyDir":{{}}}}"#));
            format!(r#""containers":[{main}],"volumes":[{volumes}]"#)
        },
        1500,
    );
    let vm = |devices: String, rest: String| {
        let list = r#""interfaces":[{"name":"default","masquerade":{}}]"#;
        template(&format!(
            r#"{{"apiVersion":"kubevirt.io/v1","kind":"VirtualMachine","spec":{{"template":{{"spec":{{"domain":{{"devices":{{{list}{devices}}}}}{rest}}}}}}}}}"#
        ))
    };
    grows("disks of a VM", Question::Template, [100, 400, 1600], |count| {
        vm(format!(r#","disks":[{}]"#, times(count, |at| format!(r#"{{"name":"d{at}"}}"#))), String::new())
    });
    grows("tolerations of a VM", Question::Template, [90, 360, 1440], |count| {
        vm(String::new(), format!(r#","tolerations":[{}]"#, tolerations(count)))
    });
    // A YAML alias stands for everything that its anchor names.
    let bomb = (1..12).fold("a0: &a0 [x,x,x,x,x,x,x,x]\n".to_owned(), |text, at| {
        let of = format!("*a{}", at - 1);
        format!("{text}a{at}: &a{at} [{}]\n", [of.as_str(); 8].join(","))
    });
    cost(Question::Template, &template(&format!("{bomb}{POD}")));
}

/// Checks the cost of a list of anything, at any place of a review.
#[test]
fn random_lists() {
    let inputs = AtomicU64::new(0);
    let sound = review().to_string();
    bolero::check!().with_max_len(64).for_each(|bytes: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        let Some((place, rest)) = bytes.split_first_chunk::<4>() else { return };
        let [low, high, count, words] = *place;
        let repeated = |text: &str, list: &[&str]| {
            let mut at = usize::from(u16::from_le_bytes([low, high])) % (text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let spelled =
                rest.iter().take(1 + usize::from(words) % 8).map(|byte| list[usize::from(*byte) % list.len()]);
            let chunk: String = spelled.collect();
            format!("{}{}{}", &text[..at], chunk.repeat(16 * usize::from(count)), &text[at..])
        };
        cost(Question::Account, &repeated(&sound, &WORDS));
        for text in [POD, MACHINE] {
            cost(Question::Template, &template(&repeated(text, &POD_WORDS)));
        }
        for text in texts(bytes, &POD_WORDS, POD) {
            cost(Question::Template, &template(&text));
        }
    });
    println!("{} inputs", inputs.into_inner());
}
