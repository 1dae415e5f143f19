//! Answers that are found once: the same question comes in many states.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::thread::LocalKey;

/// The questions with their answers. Each thread has its own, so that nobody waits for a lock.
pub(crate) type Known<K, V> = RefCell<HashMap<K, V>>;

/// Returns the answer to a question, and remembers it.
pub(crate) fn answer<K: Hash + Eq, V: Clone>(
    known: &'static LocalKey<Known<K, V>>,
    question: K,
    find: impl FnOnce(&K) -> V,
) -> V {
    if let Some(answer) = known.with_borrow(|known| known.get(&question).cloned()) {
        return answer;
    }
    let answer = find(&question);
    known.with_borrow_mut(|known| known.insert(question, answer.clone()));
    answer
}
