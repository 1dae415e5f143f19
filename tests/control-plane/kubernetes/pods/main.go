// Command pods prints random Pods with the results of the real PodRequests and PodLimits: one JSON object a line.
// core's tests compare their own sums with them.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	helpers "k8s.io/component-helpers/resource"
)

type vector struct {
	Pod      v1.PodSpec        `json:"pod"`
	Requests map[string]string `json:"requests"`
	Limits   map[string]string `json:"limits"`
}

// A fixed seed makes the same file each time.
var random = rand.New(rand.NewSource(1))

func main() {
	out := json.NewEncoder(os.Stdout)
	for range 250 {
		pod := v1.Pod{Spec: spec()}
		// Sums of copies: a sum may share a big number with its Pod, and add to it there.
		line := vector{
			Pod:      pod.Spec,
			Requests: sums(helpers.PodRequests(pod.DeepCopy(), helpers.PodResourcesOptions{})),
			Limits:   sums(helpers.PodLimits(pod.DeepCopy(), helpers.PodResourcesOptions{})),
		}
		if err := out.Encode(line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// sums returns only the values, without suffixes: the suffix of a sum depends on the order of a map in Go.
func sums(list v1.ResourceList) map[string]string {
	out := map[string]string{}
	for name, amount := range list {
		exact := amount.AsDec()
		out[string(name)] = exact.String()
	}
	return out
}

func spec() v1.PodSpec {
	var pod v1.PodSpec
	for i := range 1 + random.Intn(3) {
		pod.Containers = append(pod.Containers, container(fmt.Sprintf("c%d", i)))
	}
	for i := range random.Intn(4) {
		init := container(fmt.Sprintf("i%d", i))
		switch random.Intn(3) {
		case 0:
			always := v1.ContainerRestartPolicyAlways
			init.RestartPolicy = &always
		case 1:
			// Since 1.34 an init container can have other restart policies. They do not make it a sidecar.
			never := v1.ContainerRestartPolicyNever
			init.RestartPolicy = &never
		}
		pod.InitContainers = append(pod.InitContainers, init)
	}
	if random.Intn(3) == 0 {
		resources := container("").Resources
		pod.Resources = &resources
	}
	if random.Intn(3) == 0 {
		pod.Overhead = list(random.Intn(3))
	}
	return pod
}

func container(name string) v1.Container {
	requests, limits := list(random.Intn(4)), list(random.Intn(4))
	return v1.Container{Name: name, Resources: v1.ResourceRequirements{Requests: requests, Limits: limits}}
}

var amounts = map[v1.ResourceName][]string{
	v1.ResourceCPU:              {"0", "1m", "100m", "250m", "1", "1500m", "2", "0.1", "1e3", "100u", "1n"},
	v1.ResourceMemory:           {"0", "1", "1500m", "1Mi", "64Mi", "1Gi", "1G", "1.5Gi", "100M", "123456789", "1e9", "1Pi", "100n"},
	v1.ResourceEphemeralStorage: {"1Gi", "0"},
	"hugepages-2Mi":             {"2Mi", "4Mi"},
	"nvidia.com/gpu":            {"0", "1", "2", "8"},
	"example.com/licence":       {"1", "3"},
}
var names = []v1.ResourceName{v1.ResourceCPU, v1.ResourceCPU, v1.ResourceMemory, v1.ResourceMemory, "nvidia.com/gpu", "example.com/licence", v1.ResourceEphemeralStorage, "hugepages-2Mi"}

func list(length int) v1.ResourceList {
	if length == 0 {
		return nil
	}
	out := v1.ResourceList{}
	for range length {
		name := names[random.Intn(len(names))]
		out[name] = resource.MustParse(amounts[name][random.Intn(len(amounts[name]))])
	}
	return out
}
