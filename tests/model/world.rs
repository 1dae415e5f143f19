//! The states of the model, and the actions that can happen in each.

use std::fmt;
use std::sync::Arc;

use cmp_core::account::HeldState;
use cmp_core::controller::Step;
use stateright::{Model, Property};

use crate::convert;
use crate::known::{Known, answer};

/// Count and size: the number of instances, and the CPU of each; 0 CPU if they are released.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Shape {
    pub(crate) count: u8,
    pub(crate) size: u8,
}

impl Shape {
    pub(crate) fn fits(self, within: Self) -> bool {
        self.count <= within.count && self.size <= within.size
    }

    fn max(self, other: Self) -> Self {
        Self { count: self.count.max(other.count), size: self.size.max(other.size) }
    }

    fn charge(self) -> u8 {
        self.count * self.size
    }

    /// Returns the size in the LimitRange, which ignores releasing.
    pub(crate) fn limits(self) -> u8 {
        self.size.max(1)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Held {
    /// The uid of the Namespace; 0 while it is not known.
    pub(crate) uid: u8,
    pub(crate) shape: Shape,
    pub(crate) state: HeldState,
}

/// The value that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Damaged {
    Want,
    Held,
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Account {
    pub(crate) uid: u8,
    pub(crate) quota: u8,
    pub(crate) want: Option<Shape>,
    pub(crate) held: Option<Held>,
    pub(crate) delete: Option<u8>,
    /// Whether the last want was refused.
    pub(crate) refused: bool,
    /// The value that somebody damaged while nobody was asked.
    pub(crate) damaged: Option<Damaged>,
    /// The size that the other cluster wants.
    pub(crate) other: u8,
    pub(crate) settled: bool,
}

impl Account {
    pub(crate) fn charges(self) -> u8 {
        let shape = self.want.unwrap_or(NOTHING).max(self.held.map_or(NOTHING, |held| held.shape));
        shape.charge() + self.other
    }
}

/// The Namespace with everything in it except the instances.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Namespace {
    pub(crate) uid: u8,
    pub(crate) open: Shape,
    /// The holding beyond the shape that the Namespace is open for.
    pub(crate) reserved: Option<Shape>,
    pub(crate) ready: bool,
    pub(crate) deleting: bool,
    pub(crate) binding: bool,
    pub(crate) quota: Option<Shape>,
    /// Whether `status.hard` of the ResourceQuota is its `spec.hard`.
    pub(crate) in_force: bool,
    pub(crate) limits: Option<u8>,
}

/// The fences as a controller read them, and whether each is still unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Snapshot {
    pub(crate) namespace: Option<Namespace>,
    /// Whether the Namespace, the ResourceQuota and the LimitRange are unwritten since they were read.
    fresh: [bool; 3],
    /// The same for the nonces that this controller remembers, at the time of this read.
    same: Option<[bool; 3]>,
}

/// The position of a controller in its reconcile loop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum At {
    Idle,
    /// The controller has read the Namespace.
    Namespace(Snapshot),
    /// The controller has also read the fences in it.
    Fences(Snapshot),
    /// The controller has also read the account. `done` writes of the resulting step are done.
    Acting {
        snapshot: Snapshot,
        account: Account,
        unchanged: bool,
        waited: bool,
        done: u8,
    },
    /// The Namespaces have been listed for an account that is not settled. The flag says whether the Namespace is
    /// unwritten since then.
    Listed(Option<Namespace>, bool),
    /// The Namespace has been written under the version that was read.
    Touched(Option<Namespace>),
    /// The account has been read after that.
    Settling {
        namespace: Option<Namespace>,
        account: Account,
        unchanged: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Controller {
    pub(crate) at: At,
    /// Whether each fence still has the nonce that is remembered, if nonces are remembered.
    nonces: Option<[bool; 3]>,
}

/// A request to create an instance that was admitted and has not landed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Flight {
    index: u8,
    size: u8,
    /// Whether the request was admitted before each controller began to count its window.
    before: [bool; 2],
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    pub(crate) account: Option<Account>,
    pub(crate) namespace: Option<Namespace>,
    /// The sizes of the existing instances, by index.
    pub(crate) instances: [Option<u8>; 2],
    pub(crate) flight: Option<Flight>,
    pub(crate) controllers: [Controller; 2],
    /// The last uids that were assigned.
    namespaces: u8,
    accounts: u8,
    /// The number of actions that people may still take.
    budget: u8,
    /// The highest quota so far. Lowering the quota is not a violation.
    highest: u8,
    /// Whether a value was stored that nobody judged.
    unjudged: bool,
    /// Whether a policy of the site denies Namespaces of clusters.
    denied: bool,
}

/// The limits of a run: the allowed actions, and the rule that is left out.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) start: Start,
    pub(crate) budget: u8,
    pub(crate) controllers: usize,
    pub(crate) people: &'static [Do],
    pub(crate) without: Option<Rule>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Nothing,
    Ready(Shape),
}

/// An action of people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(crate) enum Do {
    /// The user wants another shape.
    Want,
    /// The user asks for the deletion.
    Delete,
    /// The user releases the cluster, and brings it back.
    Release,
    /// The user wants more or less of the other cluster.
    Other,
    /// An administrator deletes the Namespace.
    DeleteNamespace,
    /// An administrator loses the account, and makes it anew.
    LoseAccount,
    /// An administrator changes the quota.
    Quota,
    /// The user's wants are stored while nobody is asked.
    Unjudged,
    /// The administrator of the site denies Namespaces of clusters, and admits them again.
    Deny,
    /// A value of the account is damaged while nobody is asked.
    Damage,
}

/// A rule of the protocol. The checks leave out one at a time, to show that each is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// The fences are read first, then the account.
    FencesFirst,
    /// A fence is written under the version that was read.
    Versions,
    /// All three fences are written before `held` is lowered.
    Touch,
    /// `held` is lowered on the evidence of lists.
    Evidence,
    /// `held` is lowered after the window.
    Window,
    /// `held` is lowered by compare-and-swap on the account.
    Swap,
    /// The Namespace first records how much there may be in it.
    Reserve,
    /// The Namespace is written before it is adopted.
    Adopt,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Action {
    Want(Shape),
    Unjudged(Shape),
    Forget,
    Delete,
    Other(u8),
    DeleteNamespace,
    LoseAccount,
    Quota(u8),
    Deny(bool),
    Damage(Damaged),
    Admit(u8, u8),
    Land,
    Drop,
    Remove(u8),
    Enforce,
    Gone,
    Step(usize),
    Crash(usize),
}

/// The name of the property that the removal of a ResourceQuota must keep.
pub(crate) const HAS_ITS_QUOTA: &str = "a Namespace that was opened has its ResourceQuota";

const SHAPES: [Shape; 4] = [
    Shape { count: 1, size: 1 },
    Shape { count: 2, size: 1 },
    Shape { count: 1, size: 2 },
    Shape { count: 2, size: 2 },
];
pub(crate) const QUOTA: u8 = 4;
const RELEASED: Shape = Shape { count: 2, size: 0 };
const BACK: Shape = Shape { count: 2, size: 1 };
const CLOSED: Shape = Shape { count: 0, size: 1 };
const NOTHING: Shape = Shape { count: 0, size: 0 };

impl World {
    fn without(&self, rule: Rule) -> bool {
        self.without == Some(rule)
    }
}

impl State {
    /// Records a write of an object: whoever read it before knows an older one.
    fn wrote(&mut self, fence: usize, by_nonces: bool) {
        for controller in &mut self.controllers {
            match &mut controller.at {
                At::Namespace(snapshot) | At::Fences(snapshot) | At::Acting { snapshot, .. } => {
                    snapshot.fresh[fence] = false;
                }
                At::Listed(_, fresh) if fence == 0 => *fresh = false,
                At::Idle | At::Listed(..) | At::Touched(_) | At::Settling { .. } => {}
            }
            if by_nonces && let Some(nonces) = &mut controller.nonces {
                nonces[fence] = false;
            }
        }
    }

    fn wrote_account(&mut self) {
        for controller in &mut self.controllers {
            match &mut controller.at {
                At::Acting { unchanged, .. } | At::Settling { unchanged, .. } => *unchanged = false,
                At::Idle | At::Namespace(_) | At::Fences(_) | At::Listed(..) | At::Touched(_) => {}
            }
        }
    }

    fn all_wrote(&mut self) {
        (0..3).for_each(|fence| self.wrote(fence, true));
    }

    /// Checks the evidence of lists, by the function that production runs.
    fn fits(&self, to: Shape) -> bool {
        convert::fits(&self.instances, to)
    }

    /// Returns the state after the user writes the account, if the API server lets the write pass.
    fn written(&self, change: impl FnOnce(&mut Account), judged: bool) -> Option<Self> {
        let old = self.account?;
        let mut new = old;
        change(&mut new);
        // The policy `cmp-accounts` refuses changes of a cluster that is being deleted.
        let changes = new.want != old.want;
        if new == old || old.damaged.is_some() || (changes && old.delete.is_some() && old.held.is_some()) {
            return None;
        }
        if judged && !convert::judged(&old, &new) {
            return None;
        }
        let mut next = self.clone();
        next.account = Some(new);
        next.budget = self.budget.checked_sub(1)?;
        next.highest = next.highest.max(new.quota);
        next.unjudged |= !judged;
        next.wrote_account();
        Some(next)
    }

    fn people(&self, action: Action) -> Option<Self> {
        let mut next = self.clone();
        match action {
            Action::Want(shape) => return self.written(|account| account.want = Some(shape), true),
            Action::Unjudged(shape) => return self.written(|account| account.want = Some(shape), false),
            // The policy refuses this while the cluster is held.
            Action::Forget => {
                self.account.filter(|account| account.held.is_none())?;
                return self.written(|account| account.want = None, true);
            }
            Action::Delete => {
                let held = self.account.filter(|account| account.delete.is_none() && account.damaged.is_none())?.held?;
                return self.written(|account| account.delete = Some(held.uid), true);
            }
            Action::Other(other) => return self.written(|account| account.other = other, true),
            Action::Deny(denied) => {
                next.budget = self.budget.checked_sub(1)?;
                next.denied = denied;
                if denied == self.denied {
                    return None;
                }
            }
            Action::Damage(damaged) => {
                let account = self.account.filter(|account| account.damaged.is_none())?;
                let is_there = match damaged {
                    Damaged::Want => account.want.is_some(),
                    Damaged::Held => account.held.is_some(),
                    Damaged::Refused => account.refused,
                };
                return if is_there { self.written(|account| account.damaged = Some(damaged), false) } else { None };
            }
            Action::Quota(quota) => return self.written(|account| account.quota = quota, true),
            Action::DeleteNamespace => {
                next.budget = self.budget.checked_sub(1)?;
                next.namespace.as_mut().filter(|namespace| !namespace.deleting)?.deleting = true;
                // The nonce does not change, but a Namespace in deletion counts as another one.
                next.wrote(0, true);
            }
            Action::LoseAccount => {
                next.budget = self.budget.checked_sub(1)?;
                let old = self.account?;
                next.accounts += 1;
                let (want, held, delete, refused, damaged) = (None, None, None, false, None);
                let made = Account { uid: next.accounts, want, held, delete, refused, damaged, other: 0, ..old };
                next.account = Some(Account { settled: false, ..made });
                next.wrote_account();
            }
            Action::Admit(index, size) => {
                let namespace = self.namespace.filter(|namespace| namespace.binding && !namespace.deleting)?;
                // The ResourceQuota of a released cluster admits nothing once it is in force. While a new one is not in
                // force, the previous one counts. The Namespace was opened for that one.
                let allowed = if namespace.in_force { namespace.quota? } else { namespace.open };
                let off = allowed.size == 0;
                let small = namespace.limits.is_some_and(|limits| size <= limits);
                let admitted = index < namespace.open.count && small && !off;
                let free = self.flight.is_none() && self.instances[usize::from(index)].is_none();
                if !admitted || !free {
                    return None;
                }
                next.flight = Some(Flight { index, size, before: [false; 2] });
            }
            Action::Land => {
                let flight = next.flight.take()?;
                next.instances[usize::from(flight.index)] = Some(flight.size);
            }
            Action::Drop => {
                next.flight.take()?;
            }
            Action::Remove(index) => {
                next.instances[usize::from(index)].take()?;
            }
            Action::Enforce => {
                let namespace = next.namespace.as_mut().filter(|namespace| !namespace.in_force)?;
                namespace.quota?;
                namespace.in_force = true;
                // Only the status is written: the `resourceVersion` changes, the nonce does not.
                next.wrote(1, false);
            }
            Action::Gone => {
                next.namespace.take().filter(|namespace| namespace.deleting)?;
                next.instances = [None; 2];
                next.flight = None;
                next.all_wrote();
            }
            Action::Step(_) | Action::Crash(_) => return None,
        }
        Some(next)
    }

    /// Executes one read or one write of a controller.
    pub(crate) fn step(&self, world: &World, which: usize) -> Option<Self> {
        let mut next = self.clone();
        let controller = self.controllers[which];
        let settled = self.account.is_none_or(|account| account.settled);
        next.controllers[which].at = match controller.at {
            At::Idle if !settled => At::Listed(self.namespace, true),
            At::Idle => {
                let same = controller.nonces;
                At::Namespace(Snapshot { namespace: self.namespace, fresh: [true; 3], same })
            }
            At::Namespace(snapshot) => At::Fences(self.look(snapshot, controller.nonces)),
            At::Fences(snapshot) => match self.account {
                None => At::Idle,
                // A damaged account is mended before anything else, in one write under the version that was read.
                Some(account) if account.damaged.is_some() => {
                    next.mend(&account);
                    At::Idle
                }
                Some(account) if !account.settled => At::Idle,
                Some(account) => next.decide(world, which, snapshot, account),
            },
            At::Listed(namespace, fresh) => {
                let ready = namespace.is_some_and(|namespace| namespace.ready);
                if ready && !world.without(Rule::Adopt) {
                    if !fresh || self.namespace.is_none() {
                        next.controllers[which].at = At::Idle;
                        return Some(next);
                    }
                    next.wrote(0, true);
                }
                At::Touched(namespace)
            }
            At::Touched(namespace) => match self.account {
                Some(account) if account.damaged.is_some() => {
                    next.mend(&account);
                    At::Idle
                }
                Some(account) if !account.settled => At::Settling { namespace, account, unchanged: true },
                _ => At::Idle,
            },
            At::Settling { namespace, account, unchanged } => {
                if unchanged {
                    next.account = Some(convert::settled(&account, namespace.as_ref()));
                    next.wrote_account();
                }
                At::Idle
            }
            At::Acting { snapshot, account, unchanged, waited, done } => {
                let decided = convert::next_step(snapshot.namespace.as_ref(), &account, waited);
                next.act(world, which, snapshot, &account, unchanged, &decided, done)?
            }
        };
        // Without rule 1, the controller reads the account first and the fences after it.
        if world.without(Rule::FencesFirst)
            && let (At::Idle, At::Namespace(snapshot)) = (controller.at, next.controllers[which].at)
            && let Some(account) = self.account
        {
            next.controllers[which].at =
                At::Acting { snapshot, account, unchanged: true, waited: false, done: u8::MAX };
        }
        Some(next)
    }

    /// Reads the fences in the Namespace.
    fn look(&self, snapshot: Snapshot, nonces: Option<[bool; 3]>) -> Snapshot {
        // If the Namespace is gone or replaced by another one of this name, the old one has nothing to read.
        let inside = self.namespace.filter(|now| snapshot.namespace.is_some_and(|seen| seen.uid == now.uid));
        let namespace = snapshot.namespace.map(|seen| Namespace {
            quota: inside.and_then(|now| now.quota),
            in_force: inside.is_some_and(|now| now.in_force),
            limits: inside.and_then(|now| now.limits),
            binding: inside.is_some_and(|now| now.binding),
            ..seen
        });
        let same = snapshot.same.zip(nonces).map(|(then, now)| [then[0], now[1], now[2]]);
        Snapshot { namespace, fresh: [snapshot.fresh[0], true, true], same }
    }

    /// Decides after the account was read. It compares the nonces, and the window begins anew if they differ.
    fn decide(&mut self, world: &World, which: usize, snapshot: Snapshot, account: Account) -> At {
        let same = snapshot.same == Some([true; 3]);
        let waiting = self.flight.is_some_and(|flight| flight.before[which]) && !world.without(Rule::Window);
        let decided = convert::next_step(snapshot.namespace.as_ref(), &account, same && !waiting);
        if !matches!(*decided, Step::Lower { .. } | Step::LowerDeleted { .. } | Step::Wait { again: Some(_), .. }) {
            self.controllers[which].nonces = None;
        } else if !same {
            self.controllers[which].nonces = Some(snapshot.fresh);
            if let Some(flight) = &mut self.flight {
                flight.before[which] = true;
            }
        }
        match *decided {
            Step::Nothing | Step::Wait { .. } => At::Idle,
            _ => At::Acting { snapshot, account, unchanged: true, waited: same && !waiting, done: 0 },
        }
    }

    /// Executes one write of a step, as in `act.rs`. Returns `None` if nothing can be done.
    fn act(
        &mut self,
        world: &World,
        which: usize,
        snapshot: Snapshot,
        account: &Account,
        unchanged: bool,
        decided: &Arc<Step>,
        done: u8,
    ) -> Option<At> {
        if done == u8::MAX {
            // Without rule 1, the account was read already.
            let snapshot =
                self.look(Snapshot { namespace: self.namespace, ..snapshot }, self.controllers[which].nonces);
            let snapshot = Snapshot { fresh: [true; 3], same: self.controllers[which].nonces, ..snapshot };
            let mut at = self.decide(world, which, snapshot, *account);
            if let At::Acting { unchanged: now, .. } = &mut at {
                *now = unchanged;
            }
            return Some(at);
        }
        let versions = !world.without(Rule::Versions);
        let more = |this: &Self| match this.controllers[which].at {
            At::Acting { snapshot, account, unchanged, waited, .. } => {
                At::Acting { snapshot, account, unchanged, waited, done: done + 1 }
            }
            at => at,
        };
        let same_namespace = snapshot
            .namespace
            .is_some_and(|seen| self.namespace.is_some_and(|now| now.uid == seen.uid && !now.deleting));
        let may = |fence: usize| same_namespace && (snapshot.fresh[fence] || !versions);
        match &**decided {
            // A schedule changes no fence.
            Step::Nothing | Step::Wait { .. } | Step::BindSchedule | Step::UnbindSchedule => {}
            // The response contains the new account. The next step is decided from it and from the same fences.
            Step::Account(change) => {
                if let Some(now) = self.swap(world, account, unchanged, change) {
                    return Some(self.decide(world, which, snapshot, now));
                }
            }
            Step::Adopt(change) => {
                let there =
                    snapshot.namespace.is_some_and(|seen| self.namespace.is_some_and(|now| now.uid == seen.uid));
                if done == 0 && !world.without(Rule::Adopt) {
                    if !there || versions && !snapshot.fresh[0] {
                        return Some(At::Idle);
                    }
                    self.wrote(0, true);
                    return Some(more(self));
                }
                self.swap(world, account, unchanged, change);
            }
            Step::CreateNamespace { .. } => {
                if self.namespace.is_none() && !self.denied {
                    self.namespaces += 1;
                    let made = Namespace {
                        uid: self.namespaces,
                        open: CLOSED,
                        reserved: None,
                        ready: false,
                        deleting: false,
                        binding: false,
                        quota: None,
                        in_force: false,
                        limits: None,
                    };
                    self.namespace = Some(made);
                    self.all_wrote();
                    // The uid goes into the account that was read, if the account has not changed.
                    let snapshot = Snapshot { namespace: Some(made), fresh: [true; 3], same: None };
                    return Some(self.go_on(world, which, snapshot, account, unchanged));
                }
            }
            Step::RemoveNamespace => {
                if done == 0 {
                    // The RoleBinding is deleted by name, in whichever Namespace has this name.
                    if let Some(namespace) = &mut self.namespace {
                        namespace.binding = false;
                    }
                    return Some(more(self));
                }
                if may(0) {
                    self.namespace.as_mut()?.deleting = true;
                    self.wrote(0, true);
                }
            }
            Step::Write { shape, reserve, .. } => {
                let to = convert::shape(shape);
                let limits = snapshot.namespace.is_some_and(|seen| seen.limits != Some(to.limits()));
                let quota = snapshot.namespace.is_some_and(|seen| seen.quota != Some(to));
                if done == 0 {
                    if let Some(reserve) = reserve.as_ref().filter(|_| !world.without(Rule::Reserve)) {
                        if !may(0) {
                            return Some(At::Idle);
                        }
                        self.namespace.as_mut()?.reserved = Some(convert::shape(reserve));
                        self.wrote(0, true);
                    }
                    return Some(more(self));
                }
                if done == 1 && limits {
                    let there = snapshot.namespace.is_some_and(|seen| seen.limits.is_some());
                    let namespace = self.namespace.as_mut()?;
                    let create = !there && namespace.limits.is_none() && same_namespace;
                    if !(create || there && may(2)) {
                        return Some(At::Idle);
                    }
                    namespace.limits = Some(to.limits());
                    self.wrote(2, true);
                    return Some(more(self));
                }
                if quota {
                    let there = snapshot.namespace.is_some_and(|seen| seen.quota.is_some());
                    let namespace = self.namespace.as_mut()?;
                    let create = !there && namespace.quota.is_none() && same_namespace;
                    if create || there && may(1) {
                        namespace.quota = Some(to);
                        namespace.in_force = false;
                        self.wrote(1, true);
                    }
                }
            }
            Step::RemoveQuota => {
                if may(1) {
                    let namespace = self.namespace.as_mut()?;
                    (namespace.quota, namespace.in_force) = (None, false);
                    self.wrote(1, true);
                }
            }
            Step::Open { shape, reserved } => {
                // A Namespace that was seen in deletion can still be written.
                let is_same = |seen: Namespace, now: Namespace| now.uid == seen.uid && now.deleting == seen.deleting;
                let there = snapshot.namespace.is_some_and(|seen| self.namespace.is_some_and(|now| is_same(seen, now)));
                if there && (snapshot.fresh[0] || !versions) {
                    let namespace = self.namespace.as_mut()?;
                    namespace.open = convert::shape(shape);
                    namespace.reserved = convert::reserved(reserved).filter(|_| !world.without(Rule::Reserve));
                    namespace.ready = true;
                    let now = *namespace;
                    self.wrote(0, true);
                    // The response contains the new Namespace. The account is read again.
                    let seen = snapshot.namespace?;
                    let (quota, in_force, limits, binding) = (seen.quota, seen.in_force, seen.limits, seen.binding);
                    let namespace = Some(Namespace { binding, quota, in_force, limits, ..now });
                    let fresh = [true, snapshot.fresh[1], snapshot.fresh[2]];
                    return Some(At::Fences(Snapshot { namespace, fresh, same: None }));
                }
            }
            Step::Bind { .. } => {
                if same_namespace {
                    self.namespace.as_mut()?.binding = true;
                    let namespace = snapshot.namespace.map(|seen| Namespace { binding: true, ..seen });
                    return Some(self.go_on(world, which, Snapshot { namespace, ..snapshot }, account, unchanged));
                }
            }
            Step::Forget { uid, change } => {
                let there = self.namespace.is_some_and(|now| convert::is_uid(now.uid, uid));
                match done {
                    0 if there => {}
                    0 => return Some(more(self)),
                    _ => {
                        self.swap(world, account, unchanged, change);
                    }
                }
            }
            Step::Lower { to, change, .. } => {
                let to = convert::shape(to);
                let evidence = world.without(Rule::Evidence) || self.fits(to);
                match done {
                    0 if !evidence => {}
                    0 => return Some(more(self)),
                    // The fences are written one after the other, each under the version that was read.
                    1..=3 => {
                        let fence = usize::from(done) - 1;
                        if !may(fence) {
                            return Some(At::Idle);
                        }
                        if !world.without(Rule::Touch) {
                            self.wrote(fence, true);
                            // The controller's own write is the version that it remembers now.
                            if let Some(nonces) = &mut self.controllers[which].nonces {
                                nonces[fence] = true;
                            }
                        }
                        return Some(more(self));
                    }
                    _ if !evidence => {}
                    _ => {
                        self.swap(world, account, unchanged, change);
                    }
                }
            }
            Step::LowerDeleted { held } => {
                let instances = if world.without(Rule::Evidence) { [None; 2] } else { self.instances };
                let Some(change) = convert::lowered_deleted(&instances, held) else { return Some(At::Idle) };
                let there =
                    snapshot.namespace.is_some_and(|seen| self.namespace.is_some_and(|now| now.uid == seen.uid));
                match done {
                    0 => return Some(more(self)),
                    1 => {
                        if !there || versions && !snapshot.fresh[0] {
                            return Some(At::Idle);
                        }
                        let namespace = self.namespace.as_mut()?;
                        (namespace.open, namespace.reserved) = (NOTHING, Some(convert::shape(&held.shape())));
                        self.wrote(0, true);
                        if let Some(nonces) = &mut self.controllers[which].nonces {
                            nonces[0] = true;
                        }
                        return Some(more(self));
                    }
                    _ => {
                        self.swap(world, account, unchanged, &change);
                    }
                }
            }
        }
        Some(At::Idle)
    }

    /// Decides from the known state after a write, without reading again. The account may have changed since.
    fn go_on(&mut self, world: &World, which: usize, snapshot: Snapshot, account: &Account, unchanged: bool) -> At {
        let mut at = self.decide(world, which, snapshot, *account);
        if let At::Acting { unchanged: now, .. } = &mut at {
            *now = unchanged;
        }
        at
    }

    /// Mends the damaged value. The API server asks cmp-webhook about that write as about any other.
    fn mend(&mut self, account: &Account) {
        let change = convert::mended(account);
        let now = convert::changed(account, &change);
        if convert::judged(account, &now) {
            self.account = Some(now);
            self.wrote_account();
        }
    }

    /// Changes the account, if it is still the one that was read. A write that changes a want is judged, even if a
    /// controller makes it.
    fn swap(
        &mut self,
        world: &World,
        read: &Account,
        unchanged: bool,
        change: &cmp_core::account::change::Change,
    ) -> Option<Account> {
        let onto = if unchanged { Some(*read) } else { self.account.filter(|_| world.without(Rule::Swap)) };
        let onto = onto.filter(|_| self.account.is_some())?;
        let now = convert::changed(&onto, change);
        if now.want != onto.want && !convert::judged(&onto, &now) {
            return None;
        }
        self.account = Some(now);
        self.wrote_account();
        Some(now)
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let idle = Controller { at: At::Idle, nonces: None };
        let mut account = Account {
            uid: 1,
            quota: QUOTA,
            want: None,
            held: None,
            delete: None,
            refused: false,
            damaged: None,
            other: 0,
            settled: true,
        };
        let mut namespace = None;
        if let Start::Ready(shape) = self.start {
            account.want = Some(shape);
            account.held = Some(Held { uid: 1, shape, state: HeldState::Ready });
            namespace = Some(Namespace {
                uid: 1,
                open: shape,
                reserved: None,
                ready: true,
                deleting: false,
                binding: true,
                quota: Some(shape),
                in_force: true,
                limits: Some(shape.limits()),
            });
        }
        vec![State {
            account: Some(account),
            namespace,
            instances: [None; 2],
            flight: None,
            controllers: [idle; 2],
            namespaces: 1,
            accounts: 1,
            budget: self.budget,
            highest: QUOTA,
            unjudged: false,
            denied: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.budget > 0 {
            for act in self.people {
                match act {
                    Do::Want => actions.extend(SHAPES.map(Action::Want).into_iter().chain([Action::Forget])),
                    Do::Unjudged => actions.extend(SHAPES.map(Action::Unjudged)),
                    Do::Release => actions.extend([RELEASED, BACK].map(Action::Want)),
                    Do::Delete => actions.push(Action::Delete),
                    Do::Other => actions.extend([0, 2, 3].map(Action::Other)),
                    Do::DeleteNamespace => actions.push(Action::DeleteNamespace),
                    Do::LoseAccount => actions.push(Action::LoseAccount),
                    Do::Quota => actions.extend([2, QUOTA].map(Action::Quota)),
                    Do::Deny => actions.extend([true, false].map(Action::Deny)),
                    Do::Damage => {
                        actions.extend([Damaged::Want, Damaged::Held, Damaged::Refused].map(Action::Damage));
                    }
                }
            }
        }
        actions.extend([
            Action::Admit(0, 1),
            Action::Admit(0, 2),
            Action::Admit(1, 1),
            Action::Admit(1, 2),
            Action::Land,
            Action::Drop,
            Action::Remove(0),
            Action::Remove(1),
            Action::Enforce,
            Action::Gone,
        ]);
        for which in 0..self.controllers {
            actions.push(Action::Step(which));
            if state.controllers[which].at != At::Idle {
                actions.push(Action::Crash(which));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        match action {
            Action::Step(which) => state.step(self, which),
            Action::Crash(which) => {
                let mut next = state.clone();
                next.controllers[which] = Controller { at: At::Idle, nonces: None };
                if let Some(flight) = &mut next.flight {
                    flight.before[which] = false;
                }
                Some(next)
            }
            action => state.people(action),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("I1: what is charged is within the quota", |_, state: &State| {
                let Some(account) = state.account.filter(|account| account.damaged.is_none()) else { return true };
                let held = account.held.map_or(0, |held| held.shape.charge());
                held <= state.highest && (state.unjudged || account.charges() <= state.highest)
            }),
            Property::always("I2: what there is is within what is held", |_, state: &State| state.within()),
            Property::always(HAS_ITS_QUOTA, |_, state: &State| state.has_its_quota()),
            Property::always("I3: left to itself it comes to rest as it should", |world: &World, state: &State| {
                world.without.is_some() || state.comes_to_rest(world)
            }),
            Property::always(
                "I3: deleted, nothing of it is left once nothing outside is in the way",
                |world: &World, state: &State| world.without.is_some() || state.is_deleted_in_the_end(world),
            ),
            Property::always(
                "I3: deleted, its quota comes back once nothing runs, though its Namespace stays",
                |world: &World, state: &State| world.without.is_some() || state.is_given_back_in_deletion(world),
            ),
            Property::always(
                "while a site denies its Namespace, that is what is tried, and told",
                |world: &World, state: &State| world.without.is_some() || state.says_what_is_denied(),
            ),
        ]
    }
}

impl State {
    /// Checks that no step takes the ResourceQuota from a Namespace in which something may run.
    fn has_its_quota(&self) -> bool {
        self.namespace.is_none_or(|namespace| !namespace.ready || namespace.deleting || namespace.quota.is_some())
    }

    fn within(&self) -> bool {
        // Until a lost account is settled, its holding is not known.
        let readable = |account: &Account| account.settled && account.damaged.is_none();
        let Some(account) = self.account.filter(readable) else { return true };
        let held = account.held.map_or(NOTHING, |held| held.shape);
        let living = self.instances.iter().enumerate();
        let instances = living.filter_map(|(index, size)| Some((u8::try_from(index).ok()?, (*size)?)));
        let mut beyond = instances.filter(|(index, size)| *index >= held.count || *size > held.size);
        let fences = self.namespace.is_none_or(|namespace| {
            (namespace.open == CLOSED || namespace.open.fits(held))
                && namespace.limits.is_none_or(|limits| limits <= held.limits())
                && namespace.quota.is_none_or(|quota| quota.charge() <= held.charge())
        });
        // A Namespace that is being deleted, or was never opened, admits nothing.
        let going = self.namespace.is_some_and(|namespace| namespace.deleting || !namespace.ready);
        beyond.next().is_none() && (fences || going)
    }

    /// Checks I3 as a safety property. One controller works on, while nobody else does anything. It comes to rest
    /// within a bound. Then `held` equals the want, or the remaining instances if they are more.
    fn comes_to_rest(&self, world: &World) -> bool {
        let mut state = self.clone();
        if state.flight.is_some() {
            // The request lands now, or it never will.
            state = state.people(Action::Land).unwrap_or(state);
        }
        state.controllers = [Controller { at: At::Idle, nonces: None }; 2];
        // These fields do not matter from here on. Clearing them makes many states one, which is followed once.
        (state.budget, state.highest, state.unjudged, state.denied) = (0, 0, false, false);
        thread_local! {
            static KNOWN: Known<State, bool> = Known::default();
        }
        answer(&KNOWN, state, |state| state.clone().rests(world))
    }

    /// Checks that the cluster is deleted in the end. The user asks for the deletion, if there is anything to delete,
    /// and the site admits the Namespace again.
    fn is_deleted_in_the_end(&self, world: &World) -> bool {
        let mut state = self.clone();
        state.budget = 1;
        let Some(mut state) = state.people(Action::Delete) else { return true };
        state.denied = false;
        if state.flight.is_some() {
            state = state.people(Action::Land).unwrap_or(state);
        }
        state.controllers = [Controller { at: At::Idle, nonces: None }; 2];
        (state.budget, state.highest, state.unjudged) = (0, 0, false);
        thread_local! {
            static KNOWN: Known<State, bool> = Known::default();
        }
        let gone = |account: Account| account.want.is_none() && account.held.is_none() && account.delete.is_none();
        answer(&KNOWN, state, |state| {
            state.clone().ends(world, |state| state.namespace.is_none() && state.account.is_some_and(gone))
        })
    }

    /// Checks that a cluster in deletion costs nothing in the end, if nothing runs and its Namespace is held up for
    /// ever.
    fn is_given_back_in_deletion(&self, world: &World) -> bool {
        let readable = |account: &Account| account.settled && account.damaged.is_none();
        let (Some(account), Some(namespace)) = (self.account.filter(readable), self.namespace) else { return true };
        if !namespace.deleting || account.held.is_none_or(|held| held.uid != namespace.uid) {
            return true;
        }
        let mut state = self.clone();
        (state.instances, state.flight) = ([None; 2], None);
        state.controllers = [Controller { at: At::Idle, nonces: None }; 2];
        (state.budget, state.highest, state.unjudged, state.denied) = (0, 0, false, false);
        thread_local! {
            static KNOWN: Known<State, bool> = Known::default();
        }
        let is_free = |state: &Self| state.account.is_some_and(|account| account.charges() == account.other);
        answer(&KNOWN, state, |state| {
            let mut now = state.clone();
            (0..60).any(|_| {
                if let Some(next) = now.step(world, 0) {
                    now = next;
                }
                is_free(&now)
            })
        })
    }

    /// Checks that a denied creation is reported. A cluster that is held without a Namespace is at the step that fails,
    /// and the account is told its error. Or its user asked for the deletion, which needs no Namespace.
    fn says_what_is_denied(&self) -> bool {
        let Some(account) = self.account.filter(|_| self.denied && self.namespace.is_none()) else { return true };
        let waits = account.settled && account.damaged.is_none() && account.delete.is_none();
        if !waits || account.held.is_none_or(|held| held.uid != 0) {
            return true;
        }
        let step = convert::next_step(None, &account, false);
        matches!(&*step, Step::CreateNamespace { .. }) && convert::is_told(&account)
    }

    /// Lets one controller work on, while nobody else does anything, until `is_so` holds.
    fn ends(self, world: &World, is_so: impl Fn(&Self) -> bool) -> bool {
        let mut state = self;
        for _ in 0..120 {
            if is_so(&state) {
                return true;
            }
            if let Some(next) = state.people(Action::Enforce).or_else(|| state.people(Action::Gone)) {
                state = next;
            }
            let Some(next) = state.step(world, 0) else { return false };
            state = next;
        }
        false
    }

    fn rests(self, world: &World) -> bool {
        let mut state = self;
        for _ in 0..120 {
            if let Some(next) = state.people(Action::Enforce).or_else(|| state.people(Action::Gone)) {
                state = next;
            }
            let Some(next) = state.step(world, 0) else { return false };
            if state.controllers[0].at == At::Idle && next.controllers[0].at != At::Idle && state.is_as_it_should_be() {
                return true;
            }
            state = next;
        }
        false
    }

    fn is_as_it_should_be(&self) -> bool {
        let Some(account) = self.account else { return true };
        if !account.settled || account.damaged.is_some() {
            return false;
        }
        match (account.want, account.held) {
            (None, None) => self.namespace.is_none() && account.delete.is_none(),
            // The want waits for the quota, or until a Namespace of that name is gone.
            (Some(_), None) => false,
            (want, Some(held)) => {
                // The cluster was adopted: only the shape that it is open for is known.
                let open = self.namespace.map_or(held.shape, |namespace| namespace.open);
                let target = want.unwrap_or(open);
                let reached = self.namespace.is_some_and(|namespace| {
                    namespace.uid == held.uid
                        && !namespace.deleting
                        && namespace.open == target
                        && namespace.limits == Some(target.limits())
                        && namespace.reserved == (held.shape != target).then_some(held.shape)
                        && namespace.quota == Some(target)
                        && namespace.binding
                        && namespace.ready
                });
                let given_back = if self.fits(target) {
                    held.shape == target && held.state == HeldState::Ready
                } else {
                    target.fits(held.shape) && held.state == HeldState::Releasing
                };
                reached && given_back && account.delete.is_none()
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
