// Command validation prints Pods with the verdict of Kubernetes' own validation: one JSON object a line. core's tests
// compare their own verdict with it. The first line is a valid Pod. Each further Pod differs from it in a few fields.
// The last lines are images with the verdict of kubectl run.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	core "k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corev1 "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
)

type vector struct {
	// The fields that differ, by their paths.
	Set map[string]any `json:"set"`
	// The fields that are wrong, each with the type of its error.
	Wrong []string `json:"wrong"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	print := func(line any) {
		if err := out.Encode(line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	print(map[string]any{"pod": base()})
	for _, one := range cases() {
		pod, different := base(), map[string]any{}
		for at, value := range one {
			set(pod, at, value)
			different[at] = parse(value)
		}
		print(vector{Set: different, Wrong: wrong(pod)})
	}
	for _, image := range images {
		print(map[string]any{"image": image, "valid": reference.ReferenceRegexp.MatchString(image)})
	}
}

// wrong validates a Pod as the API server does when it is created.
func wrong(object map[string]any) []string {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	out := []string{}
	var pod v1.Pod
	if err := json.Unmarshal(text, &pod); err != nil {
		return append(out, "cannot be read")
	}
	pod.Name, pod.Namespace = "web-0-0", "web-ns"
	corev1.SetObjectDefaults_Pod(&pod)
	var internal core.Pod
	if err := legacyscheme.Scheme.Convert(&pod, &internal, nil); err != nil {
		panic(err)
	}
	podutil.DropDisabledPodFields(&internal, nil)
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(&internal.Spec, nil, &internal.ObjectMeta, nil)
	options.ResourceIsPod = true
	var errors field.ErrorList = validation.ValidatePodCreate(&internal, options)
	for _, err := range errors {
		line := err.Field + ": " + err.Type.String()
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	// Some errors come out of a map, in any order.
	slices.Sort(out)
	return out
}

// base returns a valid Pod with two containers, an init container, a sidecar and volumes.
func base() map[string]any {
	return parse(`{
		"metadata": {"labels": {"app": "web"}},
		"spec": {
			"containers": [
				{"name": "instance", "image": "debian", "ports": [{"name": "web", "containerPort": 80}],
				 "env": [{"name": "A", "value": "1"}], "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
				{"name": "beside", "image": "nginx:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}}}
			],
			"initContainers": [
				{"name": "first", "image": "alpine"},
				{"name": "native", "image": "alpine", "restartPolicy": "Always"}
			],
			"volumes": [{"name": "data", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "conf"}}]
		}
	}`).(map[string]any)
}

func parse(text string) any {
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		panic(text + ": " + err.Error())
	}
	return value
}

// set puts a value at a path such as spec/containers/0/name.
func set(object any, at, value string) {
	steps := strings.Split(at, "/")
	for i, step := range steps {
		last := i == len(steps)-1
		switch there := object.(type) {
		case map[string]any:
			if last {
				there[step] = parse(value)
				return
			}
			if there[step] == nil {
				there[step] = map[string]any{}
			}
			object = there[step]
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil {
				panic(at)
			}
			if last {
				there[index] = parse(value)
				return
			}
			object = there[index]
		default:
			panic(at)
		}
	}
}
