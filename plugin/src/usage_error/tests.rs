use super::*;
use crate::command_line;

/// Checks the message for a wrong command line.
fn check(typed: &str, expected: &str) {
    let arguments: Vec<OsString> = typed.split(' ').map(|word| word.replace('_', " ").into()).collect();
    let arguments = command_line::split_titles(arguments.into_iter());
    let root = command_line::command();
    let said = root.clone().try_get_matches_from(&arguments).unwrap_err();
    let text = error(&root, &said, &arguments).text();
    assert_eq!(text.trim_end(), expected, "{typed}");
}

#[test]
fn usage_errors_name_the_mistake_and_the_help() {
    let help = |path: &str| format!("hint: see 'kubectl cmp{path} --help' for usage");
    let create = help(" create cluster");
    check(
        "kubectl-cmp frobnicate",
        &format!("error: unknown command \"frobnicate\" for \"kubectl cmp\"\n{}", help("")),
    );
    check("kubectl-cmp create cluster web --cpu 1", &format!("error: missing: --memory <MEMORY>\n{create}"));
    check("kubectl-cmp create cluster", &format!("error: missing: <NAME>, --cpu <CPU>, --memory <MEMORY>\n{create}"));
    check("kubectl-cmp create cluster --quux", &format!("error: unknown flag: --quux\n{create}"));
    check(
        "kubectl-cmp create cluster --cpus 1",
        &format!("error: unknown flag: --cpus\nhint: did you mean --cpu?\n{create}"),
    );
    check(
        "kubectl-cmp create cluster web --cpu -1 --memory 1Gi",
        &format!("error: invalid value '-1' for '--cpu <CPU>': it must be above 0\n{create}"),
    );
    check(
        "kubectl-cmp create cluster web db --cpu 1 --memory 1Gi",
        &format!(
            "error: unexpected argument \"db\"\nhint: create one cluster per command; a command for its instances comes at the end, after --\n{create}"
        ),
    );
    check(
        "kubectl-cmp create cluster web --cpu 1 --memory 64",
        &format!("error: invalid value '64' for '--memory <MEMORY>': 64 is 64 bytes; did you mean 64Gi?\n{create}"),
    );
    check("kubectl-cmp create cluster web --cpu", &format!("error: --cpu <CPU> needs a value\n{create}"));
    check(
        "kubectl-cmp suspend cluster --mode off",
        &format!(
            "error: invalid value 'off' for '--mode <MODE>': use one of pause, halt\n{}",
            help(" suspend cluster")
        ),
    );
    check(
        "kubectl-cmp get web",
        &format!(
            "error: kubectl cmp get needs a type first: clusters or instances or schedules or snapshots or users or templates or tokens or prices; \"web\" is not one of them\nhint: perhaps: kubectl cmp get cluster web\n{}",
            help(" get")
        ),
    );
    check(
        "kubectl-cmp stop web/0",
        &format!(
            "error: kubectl cmp stop needs a type first: instance; \"web/0\" is not one of them\nhint: perhaps: kubectl cmp stop instance web-0\n{}",
            help(" stop")
        ),
    );
    check(
        "kubectl-cmp stop cluster web",
        &format!(
            "error: kubectl cmp stop needs a type first: instance; \"cluster\" is not one of them\nhint: to suspend all instances of a cluster: kubectl cmp suspend cluster NAME\n{}",
            help(" stop")
        ),
    );
    check(
        "kubectl-cmp exec web-0 bash",
        &format!(
            "error: unexpected argument \"bash\"\nhint: the command comes after --: kubectl cmp exec INSTANCE -- bash ...\n{}",
            help(" exec")
        ),
    );
    check(
        "kubectl-cmp list clusters",
        &format!("error: unknown command \"list\" for \"kubectl cmp\"\nhint: perhaps: kubectl cmp get\n{}", help("")),
    );
    check(
        "kubectl-cmp drain node",
        &format!(
            "error: unknown command \"drain\" for \"kubectl cmp\"\nhint: perhaps kubectl's own: kubectl drain\n{}",
            help("")
        ),
    );
    check(
        "kubectl-cmp exec -it web-0",
        &format!(
            "error: missing: <COMMAND>...\nhint: the command comes after --: kubectl cmp exec -it INSTANCE -- sh\n{}",
            help(" exec")
        ),
    );
    check("kubectl-cmp uninstall --purge=yes", &format!("error: --purge takes no value\n{}", help(" uninstall")));
    check("kubectl-cmp whoami --as-group g", &format!("error: missing: --as <NAME>\n{}", help(" whoami")));
    check(
        "kubectl-cmp delete cluster web --all",
        &format!("error: a name cannot be used with --all\n{}", help(" delete cluster")),
    );
    check(
        "kubectl-cmp create cluster web --cpu 1 -f x",
        &format!("error: a name cannot be used with --filename\n{create}"),
    );
    check("kubectl-cmp quota --as a --as b", &format!("error: --as is given twice\n{}", help(" quota")));
    check("kubectl-cmp --context x", &format!("error: kubectl cmp needs a command\n{}", help("")));
    check(
        "kubectl-cmp top --context x",
        &format!("error: kubectl cmp top needs a type: clusters or instances or users\n{}", help(" top")),
    );
    check(
        "kubectl-cmp scale --count 5 web",
        &format!("error: kubectl cmp scale needs a type before --count: cluster\n{}", help(" scale")),
    );
    check(
        "kubectl-cmp get --owner john",
        &format!(
            "error: kubectl cmp get needs a type before --owner: clusters or instances or schedules or snapshots\n{}",
            help(" get")
        ),
    );
    check(
        "kubectl-cmp cmp get clusters",
        &format!(
            "error: unknown command \"cmp\" for \"kubectl cmp\"\nhint: leave out the second cmp: kubectl cmp COMMAND\n{}",
            help("")
        ),
    );
    check("kubectl-cmp --context get quota a b", &format!("error: unexpected argument \"b\"\n{}", help(" quota")));
    check(
        "kubectl-cmp get -A clusters",
        &format!(
            "error: kubectl cmp get needs a type before -A: clusters or instances or schedules or snapshots or users or templates or tokens or prices\n{}",
            help(" get")
        ),
    );
    check("kubectl-cmp get --frob", &format!("error: unknown flag: --frob\n{}", help(" get")));
    check(
        "kubectl-cmp suspend cluster web --for -3h",
        &format!("error: invalid value '-3h' for '--for': it must not be negative\n{}", help(" suspend cluster")),
    );
    check("kubectl-cmp get clusters -3", &format!("error: unknown flag: -3\n{}", help(" get clusters")));
    check(
        "kubectl-cmp install --mirror false",
        &format!(
            "error: unexpected argument \"false\"\nhint: a switch takes its value after =: --mirror=false\n{}",
            help(" install")
        ),
    );
}

/// Checks the hints for a wrong type, without the last, which names the help.
fn check_hints(typed: &str, expected: &[&str]) {
    let arguments = command_line::split_titles(typed.split(' ').map(OsString::from));
    let root = command_line::command();
    let said = root.clone().try_get_matches_from(&arguments).unwrap_err();
    let error = error(&root, &said, &arguments);
    let (_, hints) = error.hints().split_last().unwrap();
    assert_eq!(hints, expected, "{typed}");
}

#[test]
fn a_misspelled_type_is_not_taken_for_a_name() {
    check_hints("kubectl-cmp create cluser web --cpu 1", &["perhaps: kubectl cmp create cluster web"]);
    check_hints("kubectl-cmp get clsters", &["perhaps: kubectl cmp get clusters"]);
    check_hints("kubectl-cmp get instnaces -A", &["perhaps: kubectl cmp get instances"]);
    check_hints("kubectl-cmp describe tempalte gpu", &["perhaps: kubectl cmp describe template gpu"]);
    check_hints("kubectl-cmp delete usr john", &["perhaps: kubectl cmp delete user john"]);
    check_hints("kubectl-cmp suspend cluter web db", &["perhaps: kubectl cmp suspend cluster web db"]);
    check_hints("kubectl-cmp suspend thing web", &[]);
    check_hints("kubectl-cmp suspend club", &["perhaps: kubectl cmp suspend cluster club"]);
    check_hints("kubectl-cmp suspend cluster-a", &["perhaps: kubectl cmp suspend cluster cluster-a"]);
    check_hints("kubectl-cmp get Clusters", &["perhaps: kubectl cmp get clusters"]);
    check_hints("kubectl-cmp Get clusters", &["did you mean get?"]);
    check_hints("kubectl-cmp ssh fedora@dev-0", &["name the user with -l: kubectl cmp ssh dev-0 -l fedora"]);
    check_hints("kubectl-cmp label web a=b", &["perhaps: kubectl cmp label cluster web a=b"]);
    check_hints("kubectl-cmp set user john --cpu 1", &["the quota of a user: kubectl cmp set quota USER"]);
}

#[test]
fn a_flag_of_another_command_leads_to_that_command() {
    check_hints("kubectl-cmp delete cluster web --force", &["--yes deletes without a question"]);
    let scale = "the number of instances: kubectl cmp scale cluster NAME --count N";
    check_hints("kubectl-cmp resize cluster web --count 4", &[scale]);
    let resize = "the size of instances: kubectl cmp resize cluster NAME --cpu AMOUNT";
    check_hints("kubectl-cmp scale cluster web --cpu 4", &[resize]);
    let suspend = "--for is for clusters: kubectl cmp suspend cluster";
    check_hints("kubectl-cmp suspend instance web-0 --for 3h", &[suspend]);
    check_hints("kubectl-cmp stop instance --all", &["--all is for clusters: kubectl cmp suspend cluster"]);
    check_hints(
        "kubectl-cmp create cluster web --gpu 1",
        &["devices are further resources: --resource nvidia.com/gpu=N"],
    );
    check_hints("kubectl-cmp describe cl web -o yaml", &["as an object: kubectl cmp get cl NAME -o yaml"]);
    check_hints("kubectl-cmp quota --owner john", &["name the user: kubectl cmp quota USER"]);
    check_hints("kubectl-cmp set quota john cpu=3", &["write amounts as flags: --cpu 3"]);
    check_hints("kubectl-cmp create template web pod.yaml -f x", &["name the file with -f pod.yaml"]);
}

#[test]
fn a_type_of_kubectl_leads_to_kubectl() {
    let instances = "cmp calls them instances: kubectl cmp get instances";
    check_hints("kubectl-cmp get pods", &[instances, "perhaps kubectl's own: kubectl get pods -n CLUSTER-ns"]);
    check_hints("kubectl-cmp -n web-ns get po", &[instances, "perhaps kubectl's own: kubectl get po -n web-ns"]);
    check_hints("kubectl-cmp get deploy web", &["perhaps kubectl's own: kubectl get deploy -n CLUSTER-ns"]);
    check_hints("kubectl-cmp get svc -n=web-ns", &["perhaps kubectl's own: kubectl get svc -n web-ns"]);
    check_hints("kubectl-cmp describe node n1", &["perhaps kubectl's own: kubectl describe node"]);
    check_hints("kubectl-cmp stop pod web-0", &["cmp calls them instances: kubectl cmp stop instances"]);
    check_hints("kubectl-cmp get quota", &["perhaps: kubectl cmp quota"]);
    check_hints("kubectl-cmp get events", &["perhaps: kubectl cmp events"]);
    check_hints("kubectl-cmp get all", &["one type at a time: kubectl cmp get clusters"]);
    check_hints("kubectl-cmp suspend deploy", &["perhaps: kubectl cmp suspend cluster deploy"]);
    check_hints("kubectl-cmp top nodes", &["perhaps kubectl's own: kubectl top nodes"]);
    let instances = "cmp calls them instances: kubectl cmp top instances";
    check_hints("kubectl-cmp top pod", &[instances, "perhaps kubectl's own: kubectl top pod -n CLUSTER-ns"]);
    check_hints("kubectl-cmp edit cm x", &["perhaps kubectl's own: kubectl edit cm -n CLUSTER-ns"]);
    check_hints("kubectl-cmp scale deploy x", &["perhaps kubectl's own: kubectl scale deploy -n CLUSTER-ns"]);
    check_hints("kubectl-cmp scale node n", &[]);
    let restart = "perhaps kubectl's own: kubectl rollout restart ds -n CLUSTER-ns";
    check_hints("kubectl-cmp rollout restart ds x", &[restart]);
    check_hints("kubectl-cmp rollout status sts/x", &["perhaps kubectl's own: kubectl rollout status"]);
    check_hints("kubectl-cmp set image deploy/x", &["perhaps kubectl's own: kubectl set image"]);
    check_hints("kubectl-cmp export svc x", &["perhaps kubectl's own: kubectl get svc -n CLUSTER-ns -o yaml"]);
    check_hints("kubectl-cmp create ns x", &["perhaps kubectl's own: kubectl create ns"]);
    check_hints("kubectl-cmp create pod x", &["clusters create their instances: kubectl cmp create cluster"]);
    check_hints("kubectl-cmp create pvc x", &[]);
    check_hints("kubectl-cmp stop node n", &[]);
}

#[test]
fn an_object_of_kubectl_leads_to_kubectl() {
    check_hints("kubectl-cmp logs pod/web-0-0", &["perhaps kubectl's own: kubectl logs pod/web-0-0 -n CLUSTER-ns"]);
    check_hints("kubectl-cmp exec -n w-ns po/x -- sh", &["perhaps kubectl's own: kubectl exec po/x -n w-ns"]);
    check_hints("kubectl-cmp describe cluster sc/x", &["perhaps kubectl's own: kubectl describe sc/x"]);
    check_hints(
        "kubectl-cmp rollout restart cl sts/x",
        &["perhaps kubectl's own: kubectl rollout restart sts/x -n CLUSTER-ns"],
    );
    check_hints("kubectl-cmp get instance web/x", &[]);
    check_hints("kubectl-cmp get instance pod/", &[]);
}
