//! `create user`, `get users`, `delete user`: a ServiceAccount, an account, and the right to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use cmp_client::ApiError;
use cmp_client::accounts::Stored;
use cmp_client::private;
use cmp_core::account::{Account, Change, Policy};
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::resources::{CPU, MEMORY, Resources};
use cmp_core::verdict::available;

use crate::cli::{ChangeArgs, CreateUser, DeleteUser, DryRun, GetUsers, with_more};
use crate::commands::{delete_cluster, tokens};
use crate::context::{Context, MANAGER, complete, each_said, once, suffix};
use crate::error::CliError;
use crate::output::{Heads, Item, age, done, print, print_object, yaml};

/// How long the first look at a new account may take.
const SETTLED: Duration = Duration::from_secs(10);

pub(crate) async fn create(context: &Context<'_>, args: CreateUser) -> Result<(), CliError> {
    let CreateUser { name, cpu, memory, resource, suspended, token_duration, kubeconfig_out, change } = args;
    let quota = with_more(Resources::new(cpu, memory), resource)?;
    let dry_run = change.dry.dry_run;
    let title = format!("user/{name}");
    let policy = Policy { suspended: suspended.into(), ..Policy::default() };
    let would = |new: bool| {
        let word = if new { "created" } else { "unchanged" };
        said(context, &change, &imagined(&name, &quota, &policy), word)
    };
    if dry_run == DryRun::Client {
        return would(true);
    }
    // Opened first: a file that cannot be written is found out before there is a user without a kubeconfig.
    let mut file = match (&kubeconfig_out, dry_run) {
        (Some(path), DryRun::None) => Some(open(path)?),
        _ => None,
    };
    let new = account(context, &name, &quota, &policy, dry_run).await?;
    rights(context, &name, dry_run).await?;
    if dry_run == DryRun::Server {
        return would(new);
    }
    let settled = context
        .accounts()
        .await?
        .wait(&name, "the account to be looked at", SETTLED, |stored| stored.account.is_settled().then_some(()))
        .await;
    if let Err(error) = settled {
        context.ui.note(&format!("Warning: nothing can be created by {name} yet: {error}; is cmp-webhook running?"));
    }
    let word = if new { "created" } else { "unchanged" };
    // A user that is new gets a credential. The same command again makes another only for a file that it names, so that
    // a script that repeats it leaves no tokens behind. Whoever asked for an object gets the object alone.
    let wanted = file.is_some() || (new && change.output.is_none());
    if wanted {
        let token = tokens::make(context, &name, token_duration).await?;
        let kubeconfig = kubeconfig(context, &name, &token.token).await?;
        match &mut file {
            Some(file) => write(file, &kubeconfig)?,
            // Still YAML: what is printed can be stored as it is.
            None => return context.ui.out(&format!("# {title} {word}\n{kubeconfig}")),
        }
    }
    said(context, &change, &context.account(&name).await?, word)?;
    if !wanted && !new && change.output.is_none() {
        context.ui.note(&format!("no token was made, because user {name} exists"));
        context.ui.note(&format!("hint: a new token: kubectl cmp create token {name}"));
        context.ui.note("hint: a new kubeconfig: the same command with --kubeconfig-out FILE");
    }
    Ok(())
}

/// A user as a file says.
pub(super) struct Asked {
    pub(super) name: UserName,
    quota: Resources,
    policy: Policy,
}

/// Reads a user as `get user -o yaml` prints one.
pub(super) fn of_object(object: &Value) -> Result<Asked, String> {
    let name = object["metadata"]["name"].as_str().ok_or("a user has no metadata.name")?;
    let name: UserName = name.parse().map_err(|error: cmp_core::name::InvalidName| error.to_string())?;
    let read = |field: &str| (&object["spec"][field], format!("user {name}: spec.{field}"));
    let (quota, about) = read("quota");
    let quota: Resources = serde_json::from_value(quota.clone()).map_err(|error| format!("{about}: {error}"))?;
    if quota.named(CPU).is_none() || quota.named(MEMORY).is_none() {
        return Err(format!("{about}: cpu and memory have to be in it"));
    }
    // As the flags have it: who is to have nothing of something is not given it.
    if let Some((resource, amount)) = quota.iter().find(|(_, amount)| amount.is_zero() || amount.is_negative()) {
        return Err(format!("{about}.{resource}: {amount} has to be above 0"));
    }
    let policy = match read("policy") {
        (Value::Null, _) => Policy::default(),
        (policy, about) => serde_json::from_value(policy.clone()).map_err(|error| format!("{about}: {error}"))?,
    };
    Ok(Asked { name, quota, policy })
}

/// Makes a user as a file says. Credentials are not in files that are kept: there is a command for them.
pub(super) async fn create_without_token(
    context: &Context<'_>,
    asked: &Asked,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let Asked { name, quota, policy } = asked;
    let dry_run = change.dry.dry_run;
    let new = if dry_run == DryRun::Client {
        true
    } else {
        let new = account(context, name, quota, policy, dry_run).await?;
        rights(context, name, dry_run).await?;
        new
    };
    let word = if new { "created" } else { "unchanged" };
    if dry_run == DryRun::None {
        said(context, change, &context.account(name).await?, word)?;
        context.ui.note(&format!("hint: a credential for them: kubectl cmp create token {name}"));
        return Ok(());
    }
    said(context, change, &imagined(name, quota, policy), word)
}

/// The account of a user that would be made.
fn imagined(name: &UserName, quota: &Resources, policy: &Policy) -> Stored {
    let account = Account {
        user: name.clone(),
        uid: String::new(),
        quota: quota.clone(),
        policy: policy.clone(),
        clusters: BTreeMap::new(),
        settled: None,
        opaque: Vec::new(),
    };
    Stored { account, version: String::new(), created: None, labels: BTreeMap::new() }
}

fn said(context: &Context<'_>, change: &ChangeArgs, stored: &Stored, word: &str) -> Result<(), CliError> {
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(stored)),
        _ => done(context.ui, change, &format!("user/{}", stored.account.user), word),
    }
}

/// Opens the file of a kubeconfig. It holds a credential, so that nobody else may read it.
fn open(path: &Path) -> Result<File, CliError> {
    private::open(path).map_err(|error| {
        CliError::user(format!("--kubeconfig-out {}: {error}", path.display())).hint("nothing was created")
    })
}

/// Writes it in the place of what was in the file. An older kubeconfig stays until there is a new one.
fn write(file: &mut File, kubeconfig: &str) -> Result<(), CliError> {
    file.set_len(0)?;
    Ok(file.write_all(kubeconfig.as_bytes())?)
}

/// Makes the account; that an equal one is there is what a second try finds.
async fn account(
    context: &Context<'_>,
    name: &UserName,
    quota: &Resources,
    policy: &Policy,
    dry_run: DryRun,
) -> Result<bool, CliError> {
    let accounts: Api<ConfigMap> = Api::namespaced(context.client().await?, keys::USERS_NAMESPACE);
    let mut data = Change::new().quota(quota);
    if *policy != Policy::default() {
        data = data.policy(policy);
    }
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_string()),
            labels: Some([(keys::ACCOUNT, keys::TRUE), (keys::MANAGED_BY, keys::MANAGER)].map(own).into()),
            ..ObjectMeta::default()
        },
        data: Some(data.entries().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect()),
        ..ConfigMap::default()
    };
    match accounts.create(&params(dry_run), &map).await.map_err(ApiError::from) {
        Ok(_) => Ok(true),
        Err(error) if error.is_already_there() => {
            let stored = context.account(name).await?;
            let is = stored.account.policy.suspended;
            if stored.account.quota == *quota && is == policy.suspended {
                return Ok(false);
            }
            if stored.account.quota == *quota {
                return Err(CliError::user(format!(
                    "user {name} exists, and what becomes of the quota of suspended clusters differs: it is {is}, asked \
                     for is {}",
                    policy.suspended
                ))
                .hint(format!("kubectl cmp set quota {name} --suspended {}", policy.suspended)));
            }
            Err(CliError::user(format!(
                "user {name} exists and has another quota: it is {}, asked for is {quota}",
                stored.account.quota
            ))
            .hint(format!(
                "kubectl cmp set quota {name} --cpu {} --memory {}",
                quota.cpu(),
                quota.memory()
            )))
        }
        Err(error) if error.is_not_found() => Err(not_installed(error)),
        Err(error) => Err(error.into()),
    }
}

fn not_installed(error: ApiError) -> CliError {
    CliError::from(error).hint("cmp is not installed here: kubectl cmp install")
}

fn own((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn params(dry_run: DryRun) -> PostParams {
    PostParams { dry_run: dry_run == DryRun::Server, field_manager: Some(MANAGER.to_owned()) }
}

/// Makes the ServiceAccount, and its right to its own account and to nothing else.
async fn rights(context: &Context<'_>, name: &UserName, dry_run: DryRun) -> Result<(), CliError> {
    let metadata = || ObjectMeta {
        name: Some(name.to_string()),
        labels: Some([(keys::USER, name.as_str()), (keys::MANAGED_BY, keys::MANAGER)].map(own).into()),
        ..ObjectMeta::default()
    };
    let account = ServiceAccount {
        metadata: metadata(),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    let rule = PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec!["configmaps".to_owned()]),
        resource_names: Some(vec![name.to_string()]),
        verbs: ["get", "watch", "patch"].map(str::to_owned).into(),
        ..PolicyRule::default()
    };
    let role = Role { metadata: metadata(), rules: Some(vec![rule]) };
    let binding = RoleBinding {
        metadata: metadata(),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: name.to_string(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: name.to_string(),
            namespace: Some(keys::USERS_NAMESPACE.to_owned()),
            api_group: None,
        }]),
    };
    apply(context, name, &account, dry_run).await?;
    apply(context, name, &role, dry_run).await?;
    apply(context, name, &binding, dry_run).await
}

async fn apply<K>(context: &Context<'_>, name: &UserName, object: &K, dry_run: DryRun) -> Result<(), CliError>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + std::fmt::Debug,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(context.client().await?, keys::USERS_NAMESPACE);
    let params = PatchParams { dry_run: dry_run == DryRun::Server, ..PatchParams::apply(MANAGER).force() };
    api.patch(name.as_str(), &params, &Patch::Apply(object)).await?;
    Ok(())
}

/// What a user needs to use kubectl: where, and as whom.
async fn kubeconfig(context: &Context<'_>, name: &UserName, token: &str) -> Result<String, CliError> {
    let connection = context.connection().await?;
    let mut cluster = json!({ "server": connection.server });
    if let Some(authority) = &connection.certificate_authority {
        cluster["certificate-authority-data"] = json!(ByteString(authority.as_bytes().to_vec()));
    } else if context.global.insecure_skip_tls_verify {
        cluster["insecure-skip-tls-verify"] = json!(true);
    }
    let entry = format!("{name}@cmp");
    yaml(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "cmp", "cluster": cluster }],
        "users": [{ "name": name, "user": { "token": token } }],
        "contexts": [{ "name": entry, "context": { "cluster": "cmp", "user": name } }],
        "current-context": entry,
    }))
}

const USERS: Heads = (&["NAME", "CPU", "MEMORY", "CLUSTERS", "INSTANCES", "AGE"], &["SETTLED"]);

pub(crate) async fn get(context: &Context<'_>, args: GetUsers) -> Result<(), CliError> {
    let GetUsers { names, list } = args;
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &UserName| {
        let name = name.clone();
        async move { context.account(&name).await }
    })
    .await?;
    if names.is_empty() {
        for stored in context.accounts().await?.list().await? {
            match stored {
                Ok(stored) => found.push(stored),
                Err(error) => context.ui.note(&format!("Warning: {error}")),
            }
        }
    }
    if found.is_empty() && !all_found {
        return complete(false);
    }
    let now = Timestamp::now();
    let items = found.iter().map(|stored| item(stored, now)).collect();
    print(context.ui, &list, USERS, items, names.len() == 1)?;
    complete(all_found)
}

fn item(stored: &Stored, now: Timestamp) -> Item {
    let account = &stored.account;
    let used = account.charge().unwrap_or_default();
    let of = |used: String, total: String| format!("{used}/{total}");
    let (clusters, instances) = account.counts();
    Item {
        name: format!("user/{}", account.user),
        object: object(stored),
        cells: vec![
            account.user.to_string(),
            of(used.cpu().to_string(), account.quota.cpu().to_string()),
            of(used.memory().to_string(), account.quota.memory().to_string()),
            clusters.to_string(),
            instances.to_string(),
            age(stored.created, now),
        ],
        wide: vec![if account.is_settled() { "yes" } else { "no" }.to_owned()],
    }
}

fn object(stored: &Stored) -> Value {
    let account = &stored.account;
    let (clusters, instances) = account.counts();
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "User",
        "metadata": {
            "name": account.user,
            "namespace": keys::USERS_NAMESPACE,
            "uid": Some(&account.uid).filter(|uid| !uid.is_empty()),
            "labels": Some(&stored.labels).filter(|labels| !labels.is_empty()),
            "creationTimestamp": stored.created.map(|created| created.to_string()),
        },
        "spec": { "quota": account.quota, "policy": account.policy },
        "status": {
            "username": account.user.username(),
            "charge": account.charge(),
            "available": available(account),
            "clusters": clusters,
            "instances": instances,
            "settled": account.is_settled(),
        },
    })
}

pub(crate) async fn delete(context: &Context<'_>, args: DeleteUser) -> Result<(), CliError> {
    let DeleteUser { names, cascade, yes, timeout, dry } = args;
    let dry_run = dry.dry_run;
    let mut found = Vec::new();
    let all_found = each_said(context, &once(names), &mut found, |name: &UserName| {
        let name = name.clone();
        async move { Ok((clusters(context, &name).await?, name)) }
    })
    .await?;
    let mut goes = Vec::new();
    for (clusters, name) in &found {
        goes.push(format!("user/{name}: the account, the rights and all tokens"));
        if !cascade && !clusters.is_empty() {
            let list: Vec<String> = clusters.iter().map(ToString::to_string).collect();
            return Err(CliError::user(format!("user {name} still has clusters: {}", list.join(", ")))
                .hint(format!("delete them too: kubectl cmp delete user {name} --cascade")));
        }
        for cluster in clusters {
            goes.push(format!("cluster/{cluster} of {name}: its namespace and everything in it"));
        }
    }
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    for (_, name) in &found {
        if dry_run == DryRun::None {
            remove(context, name, cascade, timeout).await?;
        }
        context.ui.line(&format!("user/{name} deleted{}", suffix(dry_run)))?;
    }
    complete(all_found)
}

/// The clusters that a user still has.
async fn clusters(context: &Context<'_>, name: &UserName) -> Result<Vec<ClusterName>, CliError> {
    match context.accounts().await?.get(name).await {
        Ok(stored) => Ok(stored.account.existing().map(|(cluster, _)| cluster.clone()).collect()),
        // Half deleted by an earlier try.
        Err(error) if error.is_not_found() && exists(context, name).await? => Ok(Vec::new()),
        Err(error) if error.is_not_found() => Err(CliError::not_found("user", name.as_str())),
        // Damaged: what it holds is not known. The policy refuses its deletion if that is anything.
        Err(ApiError::Damaged { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

async fn exists(context: &Context<'_>, name: &UserName) -> Result<bool, CliError> {
    let users: Api<ServiceAccount> = Api::namespaced(context.client().await?, keys::USERS_NAMESPACE);
    Ok(users.get_opt(name.as_str()).await?.is_some())
}

/// The right goes first, so that nothing new is wanted; the account when it is empty; the ServiceAccount last.
async fn remove(context: &Context<'_>, name: &UserName, cascade: bool, timeout: Duration) -> Result<(), CliError> {
    let client = context.client().await?;
    let accounts = context.accounts().await?;
    let users = keys::USERS_NAMESPACE;
    gone(&Api::<RoleBinding>::namespaced(client.clone(), users), name).await?;
    if cascade {
        match accounts.get(name).await {
            Ok(stored) => {
                let clusters: Vec<_> = stored.account.existing().map(|(cluster, _)| cluster.clone()).collect();
                delete_cluster::every(context, &accounts, &stored, clusters, timeout).await?;
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    gone(&Api::<ConfigMap>::namespaced(client.clone(), users), name).await?;
    gone(&Api::<Role>::namespaced(client.clone(), users), name).await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), users);
    let tokens = ListParams::default().labels(&format!("{}={name},{}={}", keys::USER, keys::TOKEN, keys::TRUE));
    secrets.delete_collection(&DeleteParams::default(), &tokens).await?;
    gone(&Api::<ServiceAccount>::namespaced(client, users), name).await
}

async fn gone<K>(api: &Api<K>, name: &UserName) -> Result<(), CliError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    match api.delete(name.as_str(), &DeleteParams::default()).await.map_err(ApiError::from) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
