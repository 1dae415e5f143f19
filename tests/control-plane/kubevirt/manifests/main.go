// Command manifests writes the objects that virt-operator would create in a cluster. It calls the same functions as
// virt-operator. It writes no workloads, because KubeVirt's programs run as local processes here.
//
// It writes three files, which are applied in this order: install.json (namespace, rights, certificate authority, the
// Service of virt-api), crds.json, and serving.json (APIServices and webhooks). The last one waits until virt-api
// listens, because from then on the API server asks virt-api about every write of a virtual machine.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	extv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/components"
	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/rbac"
)

const namespace = "kubevirt"

func main() {
	authority := flag.String("ca", "", "file with the certificate authority of virt-api")
	port := flag.Int("port", 0, "port of virt-api on localhost")
	folder := flag.String("out", ".", "where the files go")
	flag.Parse()
	if err := run(*authority, int32(*port), *folder); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(authority string, port int32, folder string) error {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return err
	}
	crds, err := definitions()
	if err != nil {
		return err
	}
	for name, objects := range map[string][]runtime.Object{
		"install.json": install(pem),
		"crds.json":    crds,
		"serving.json": serving(pem, port),
	} {
		if err := write(filepath.Join(folder, name), objects); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, objects []runtime.Object) error {
	list := map[string]any{"apiVersion": "v1", "kind": "List", "items": objects}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func definitions() ([]runtime.Object, error) {
	var all []runtime.Object
	for _, definition := range []func() (*extv1.CustomResourceDefinition, error){
		components.NewKubeVirtCrd,
		components.NewVirtualMachineCrd,
		components.NewVirtualMachineInstanceCrd,
		components.NewVirtualMachineInstanceMigrationCrd,
		components.NewReplicaSetCrd,
		components.NewPresetCrd,
		components.NewVirtualMachinePoolCrd,
		components.NewVirtualMachineCloneCrd,
		components.NewVirtualMachineExportCrd,
		components.NewVirtualMachineSnapshotCrd,
		components.NewVirtualMachineSnapshotContentCrd,
		components.NewVirtualMachineRestoreCrd,
		components.NewVirtualMachineInstancetypeCrd,
		components.NewVirtualMachineClusterInstancetypeCrd,
		components.NewVirtualMachinePreferenceCrd,
		components.NewVirtualMachineClusterPreferenceCrd,
		components.NewMigrationPolicyCrd,
	} {
		crd, err := definition()
		if err != nil {
			return nil, err
		}
		all = append(all, crd)
	}
	return all, nil
}

func install(pem []byte) []runtime.Object {
	all := []runtime.Object{
		&corev1.Namespace{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{
				Name:   namespace,
				Labels: map[string]string{"pod-security.kubernetes.io/enforce": "privileged"},
			},
		},
		components.NewKubeVirtPriorityClassCR(),
		// virt-api reads from it which clients are virt-handlers.
		&corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Name: components.KubeVirtCASecretName, Namespace: namespace},
			Data:       map[string]string{components.CABundleKey: string(pem)},
		},
		service(),
	}
	all = append(all, rbac.GetAllCluster()...)
	all = append(all, rbac.GetAllApiServer(namespace)...)
	all = append(all, rbac.GetAllController(namespace)...)
	all = append(all, rbac.GetAllHandler(namespace)...)

	// The module gives "v1" as group and version of both; virt-operator does not read them.
	const admission = "admissionregistration.k8s.io/v1"
	handler := fmt.Sprintf("system:serviceaccount:%s:%s", namespace, components.HandlerServiceAccountName)
	policy := components.NewHandlerV1ValidatingAdmissionPolicy(handler)
	policy.APIVersion = admission
	binding := components.NewHandlerV1ValidatingAdmissionPolicyBinding()
	binding.APIVersion = admission
	return append(all, policy, binding)
}

// service is the Service of virt-api, and leads to this machine: the API server resolves the name itself.
func service() runtime.Object {
	service := components.NewApiServerService(namespace)
	service.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"}
	return service
}

func serving(pem []byte, port int32) []runtime.Object {
	var all []runtime.Object
	for _, service := range components.NewVirtAPIAPIServices(namespace) {
		service.Spec.CABundle = pem
		service.Spec.Service.Port = &port
		all = append(all, service)
	}
	validating := components.NewVirtAPIValidatingWebhookConfiguration(namespace)
	for at := range validating.Webhooks {
		validating.Webhooks[at].ClientConfig.CABundle = pem
		validating.Webhooks[at].ClientConfig.Service.Port = &port
	}
	mutating := components.NewVirtAPIMutatingWebhookConfiguration(namespace)
	for at := range mutating.Webhooks {
		mutating.Webhooks[at].ClientConfig.CABundle = pem
		mutating.Webhooks[at].ClientConfig.Service.Port = &port
	}
	return append(all, validating, mutating)
}
