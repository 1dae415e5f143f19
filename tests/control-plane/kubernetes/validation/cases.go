package main

import (
	"fmt"
	"strings"
)

// images are references, some of which kubectl run refuses.
var images = []string{
	"debian", "debian:stable-slim", "library/debian", "docker.io/library/debian:12", "localhost:5000/a/b:c",
	"registry.example.com/team/web:v1.2.3", "registry.example.com:443/web", "a_b/c__d/e.f", "a--b", "a---b/c",
	"quay.io/kubevirt/cirros-container-disk-demo:v1.7.0", "REGISTRY.example.com/web", "Web/app", "[::1]:5000/web", "[2001:db8::1]/web:1",
	"web@sha256:" + strings.Repeat("0a", 32), "web:1@sha256:" + strings.Repeat("0a", 32), "a:_x", "a:" + strings.Repeat("t", 128),
	"127.0.0.1:80/a", "a.b/c", "a/b/c/d/e", "web@sha256+b64:" + strings.Repeat("0a", 16),
	"", "bad:::img", ":1", "a:", "a:-x", "a:.x", "a:" + strings.Repeat("t", 129), "Debian", "a/B", "a b", " a", "a ", "a//b", "/a", "a/",
	"a:1:2", "a@b", "web@sha256:" + strings.Repeat("0a", 15), "web@sha256:xyz", "http://a/b", "https://registry.example.com/web", "a_", "_a",
	"a___b", "a..b", "-a", "a-", "a.-b", "registry.example.com:/web", "registry.example.com:x/web", "ä", "a:ä", "web@:00", "web@sha256",
	"[::1/web", "[g::1]/web", "a/b:c/d", "a\nb", "a\n", "-a.example.com/b", "a-.example.com/b", "a.example-.com/b", "$(IMAGE)", "[]:80/a",
	"web@sha256:" + strings.Repeat("0G", 32), "web@1a:" + strings.Repeat("0a", 32), "web@sha256.:" + strings.Repeat("0a", 32), "..", ".a/b",
}

func long(n int) string { return `"` + strings.Repeat("a", n) + `"` }

// cases returns the differences from the valid Pod, by path.
func cases() []map[string]string {
	all := []map[string]string{{}}
	one := func(at string, values ...string) {
		for _, value := range values {
			all = append(all, map[string]string{at: value})
		}
	}
	many := func(pairs ...string) {
		differences := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			differences[pairs[i]] = pairs[i+1]
		}
		all = append(all, differences)
	}
	c, init, native, beside := "spec/containers/0/", "spec/initContainers/0/", "spec/initContainers/1/", "spec/containers/1/"

	// Metadata.
	labels := []string{`{}`, `{"a":""}`, `{"a.b/c":"x_y.z-1"}`, `{"example.com/a":"b"}`, `{"a":"-b"}`, `{"a":"b-"}`, `{"a":"b c"}`, `{"-a":"b"}`, `{"a b":"c"}`,
		`{"":"a"}`, `{"a/b/c":"d"}`, `{"/a":"b"}`, `{"a/":"b"}`, `{"A.b/c":"d"}`, `{"A":"B"}`, `{"a":` + long(63) + `}`, `{"a":` + long(64) + `}`, `{` + long(63) + `:"b"}`,
		`{` + long(64) + `:"b"}`, `{"` + strings.Repeat("a.", 126) + `a/b":"c"}`, `{"` + strings.Repeat("a.", 127) + `a/b":"c"}`, `{"a":"ä"}`, `{"ä":"a"}`, `{"a":"` + "\u00e9" + `"}`, `{"_a":"b"}`}
	one("metadata/labels", labels...)
	one("metadata/annotations", `{}`, `{"a":"any text = here"}`, `{"example.com/A":"b"}`, `{"Example.com/a":"b"}`, `{"-a":"b"}`, `{"a b":"c"}`, `{"":"a"}`, `{"a/b/c":"d"}`, `{"controller.kubernetes.io/pod-deletion-cost":"7"}`, `{"controller.kubernetes.io/pod-deletion-cost":"x"}`,
		`{"controller.kubernetes.io/pod-deletion-cost":"+7"}`, `{"controller.kubernetes.io/pod-deletion-cost":"007"}`)
	one("spec/nodeSelector", labels...)

	// Containers.
	one("spec/containers", `[]`)
	names := []string{`""`, `"a"`, `"a-b"`, `"A"`, `"a_b"`, `"a.b"`, `"-a"`, `"a-"`, `"1"`, long(63), long(64), `"ä"`, `"a b"`}
	one(c+"name", append(names, `"beside"`)...)
	one(init+"name", append(names, `"instance"`, `"native"`)...)
	one(beside+"name", `"instance"`, `"first"`)
	one(beside+"image", `""`, `" a"`, `"a "`, `"a"`)
	one(c+"imagePullPolicy", `"Always"`, `"Never"`, `"IfNotPresent"`, `"always"`, `"Sometimes"`)
	one(c+"terminationMessagePolicy", `"File"`, `"FallbackToLogsOnError"`, `"Log"`)
	one(c+"ports/0/containerPort", `1`, `65535`, `65536`, `99999`, `0`, `-1`, `80`, `2147483647`, `2147483648`)
	one(c+"ports/0/protocol", `"TCP"`, `"UDP"`, `"SCTP"`, `"tcp"`, `"HTTP"`)
	portNames := []string{`""`, `"a"`, `"a1"`, `"1"`, `"web-1"`, `"web--1"`, `"-a"`, `"a-"`, `"Web"`, `"a_b"`, `"abcdefghijklmno"`, `"abcdefghijklmnop"`, `"ä"`}
	one(c+"ports/0/name", portNames...)
	one(c+"ports", `[{"name":"a","containerPort":80},{"name":"a","containerPort":81}]`, `[{"name":"a","containerPort":80},{"name":"b","containerPort":80}]`,
		`[{"containerPort":80},{"containerPort":80}]`, `[{"name":"a"}]`, `[{"containerPort":80,"hostIP":"x"}]`)
	one(beside+"ports", `[{"name":"web","containerPort":80}]`)
	variables := []string{`"A"`, `"A.B"`, `"a-b"`, `"A=B"`, `"1A"`, `"A B"`, `""`, `"="`, `"ä"`, `"A\t"`, `"~!@#$%^&*()"`, `".."`, `".A"`, `" "`, `"\u007f"`, `"A\nB"`}
	one(c+"env/0/name", variables...)
	one(c+"env", `[{"name":"A"},{"name":"A"}]`, `[{}]`, `[{"name":"A","value":"$(B"}]`,
		`[{"name":"A","valueFrom":{}}]`, `[{"name":"A","value":"1","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]`,
		`[{"name":"A","value":"","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]`,
		`[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"},"secretKeyRef":{"name":"a","key":"b"}}}]`)
	for _, path := range []string{"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP",
		"status.podIPs", "metadata.labels['a']", "metadata.annotations['a.b/c']", "metadata.annotations['A.b/c']", "metadata.labels['-a']", "metadata.labels['A.b/c']", "metadata.labels", "metadata.annotations", "metadata.name['a']", "spec.containers",
		"spec.host", "status.phase", "", "metadata.labels[a]", "metadata.labels['a", "metadata.uid['']", "metadata.labels['']"} {
		one(c+"env/0", `{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"`+path+`"}}}`)
		one("spec/volumes/0", `{"name":"data","downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"`+path+`"}}]}}`)
	}
	one(c+"env/0", `{"name":"A","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}}`, `{"name":"A","valueFrom":{"fieldRef":{"apiVersion":"v2","fieldPath":"metadata.name"}}}`)
	for _, resource := range []string{"limits.cpu", "requests.cpu", "limits.memory", "requests.memory", "limits.ephemeral-storage", "requests.ephemeral-storage", "limits.hugepages-2Mi", "requests.hugepages-1Gi", "cpu",
		"limits.nvidia.com/gpu", "", "limits.storage"} {
		one(c+"env/0", `{"name":"A","valueFrom":{"resourceFieldRef":{"resource":"`+resource+`"}}}`)
		one("spec/volumes/0", `{"name":"data","downwardAPI":{"items":[{"path":"a","resourceFieldRef":{"containerName":"instance","resource":"`+resource+`"}}]}}`,
			`{"name":"data","downwardAPI":{"items":[{"path":"a","resourceFieldRef":{"resource":"`+resource+`"}}]}}`)
		for _, divisor := range []string{"0", "1", "1m", "1k", "1Ki", "1Mi", "2", "1E", "1n", "1000m", "10m"} {
			one(c+"env/0", `{"name":"A","valueFrom":{"resourceFieldRef":{"resource":"`+resource+`","divisor":"`+divisor+`"}}}`)
		}
	}
	for _, kind := range []string{"configMapKeyRef", "secretKeyRef"} {
		for _, key := range []string{"a", "A_b.c-d", "", ".", "..", "..a", "a b", "a/b", "ä", strings.Repeat("a", 253), strings.Repeat("a", 254)} {
			one(c+"env/0", `{"name":"A","valueFrom":{"`+kind+`":{"name":"a","key":"`+key+`"}}}`)
		}
		for _, name := range []string{"a", "a.b-c", "", "A", "a_b", "-a", "a..b", strings.Repeat("a", 253), strings.Repeat("a", 254)} {
			one(c+"env/0", `{"name":"A","valueFrom":{"`+kind+`":{"name":"`+name+`","key":"a"}}}`)
		}
	}
	one(c+"envFrom", `[{"configMapRef":{"name":"a"}}]`, `[{"secretRef":{"name":"a"}}]`, `[{}]`, `[{"prefix":"A","secretRef":{"name":"a"}}]`, `[{"prefix":"A=","secretRef":{"name":"a"}}]`,
		`[{"configMapRef":{"name":"a"},"secretRef":{"name":"a"}}]`, `[{"configMapRef":{}}]`, `[{"secretRef":{"name":"A"}}]`, `[{"configMapRef":{"name":"a_b"}}]`, `[{"secretRef":{"name":""}}]`, `[{"configMapRef":{"name":"a-"}}]`)
	one(c+"volumeMounts", `[{"name":"data","mountPath":"/a"},{"name":"data","mountPath":"/b"}]`, `[{"name":"data","mountPath":"/a"},{"name":"conf","mountPath":"/a"}]`,
		`[{"name":"nothing","mountPath":"/a"}]`, `[{"mountPath":"/a"}]`, `[{"name":"data","mountPath":""}]`, `[{"name":"data"}]`, `[{"name":"data","mountPath":"a"}]`, `[{"name":"data","mountPath":"/a:b"}]`,
		`[{"name":"data","mountPath":"../a"}]`, `[{"name":"data","mountPath":"/a","subPath":"b/c"}]`, `[{"name":"data","mountPath":"/a","subPath":"/b"}]`, `[{"name":"data","mountPath":"/a","subPath":"b/../c"}]`,
		`[{"name":"data","mountPath":"/a","subPath":"..b"}]`, `[{"name":"data","mountPath":"/a","subPathExpr":"$(A)"}]`, `[{"name":"data","mountPath":"/a","subPathExpr":"/b"}]`,
		`[{"name":"data","mountPath":"/a","subPath":"b","subPathExpr":"c"}]`, `[{"name":"data","mountPath":"/a","mountPropagation":"None"}]`, `[{"name":"data","mountPath":"/a","mountPropagation":"HostToContainer"}]`,
		`[{"name":"data","mountPath":"/a","mountPropagation":"Bidirectional"}]`, `[{"name":"data","mountPath":"/a","mountPropagation":"Some"}]`, `[{"name":"data","mountPath":"/a","recursiveReadOnly":"Disabled"}]`,
		`[{"name":"data","mountPath":"/a","recursiveReadOnly":"Enabled"}]`, `[{"name":"data","mountPath":"/a","readOnly":true,"recursiveReadOnly":"Enabled"}]`,
		`[{"name":"data","mountPath":"/a","readOnly":true,"recursiveReadOnly":"IfPossible","mountPropagation":"HostToContainer"}]`, `[{"name":"data","mountPath":"/a","readOnly":true,"recursiveReadOnly":"x"}]`)
	for _, devices := range []string{`[{"name":"disk","devicePath":"/dev/x"}]`, `[{"name":"disk"}]`, `[{"devicePath":"/dev/x"}]`, `[{"name":"data","devicePath":"/dev/x"}]`, `[{"name":"none","devicePath":"/dev/x"}]`,
		`[{"name":"disk","devicePath":"/dev/x"},{"name":"disk","devicePath":"/dev/y"}]`, `[{"name":"disk","devicePath":"/dev/x"},{"name":"more","devicePath":"/dev/x"}]`, `[{"name":"disk","devicePath":"/dev/../x"}]`, `[{"name":"disk","devicePath":"/data"}]`} {
		many("spec/volumes", `[{"name":"data","emptyDir":{}},{"name":"disk","persistentVolumeClaim":{"claimName":"a"}},{"name":"more","persistentVolumeClaim":{"claimName":"b"}}]`, c+"volumeDevices", devices)
	}
	one(beside+"volumeMounts", `[{"name":"conf","mountPath":"/conf"}]`, `[{"name":"conf2","mountPath":"/conf"}]`)
	one(init+"volumeMounts", `[{"name":"conf2","mountPath":"/conf"}]`)
	for _, amounts := range []string{`{"cpu":"1"}`, `{"cpu":"-1"}`, `{"cpu":"x"}`, `{"cpu":""}`, `{"memory":"1Gi"}`, `{"memory":"1gi"}`, `{"cpus":"1"}`, `{"storage":"1Gi"}`, `{"ephemeral-storage":"1Gi"}`, `{"nvidia.com/gpu":"1"}`, `{"nvidia.com/gpu":"1500m"}`,
		`{"nvidia.com/gpu":"1.5"}`, `{"example.com/":"1"}`, `{"requests.a.b/c":"1"}`, `{"hugepages-2Mi":"2Mi"}`, `{"hugepages-2Mi":"2Mi","cpu":"1"}`, `{"hugepages-2Mi":"3Mi","cpu":"1"}`, `{"pods":"1"}`, `{"kubernetes.io/x":"1"}`, `{"":"1"}`, `{"a b":"1"}`, `{"cpu":"0"}`, `{"cpu":"1e400"}`, `{"cpu":1}`, `{"cpu":"0.0001"}`} {
		one(beside+"resources", `{"limits":`+amounts+`}`, `{"requests":`+amounts+`}`, `{"limits":`+amounts+`,"requests":`+amounts+`}`)
	}
	for _, pair := range [][2]string{{"cpu", "1 1"}, {"cpu", "2 1"}, {"cpu", "1 2"}, {"cpu", "1000m 1"}, {"memory", "2Gi 1Gi"}, {"memory", "1G 1Gi"}, {"nvidia.com/gpu", "1 1"}, {"nvidia.com/gpu", "1 2"}, {"nvidia.com/gpu", "2 1"}, {"ephemeral-storage", "1Gi 2Gi"}, {"ephemeral-storage", "3Gi 2Gi"}} {
		amounts := strings.Fields(pair[1])
		one(beside+"resources", fmt.Sprintf(`{"requests":{%q:%q},"limits":{%q:%q}}`, pair[0], amounts[0], pair[0], amounts[1]))
	}
	one(beside+"resizePolicy", `[{"resourceName":"cpu","restartPolicy":"NotRequired"}]`, `[{"resourceName":"cpu","restartPolicy":"x"}]`, `[{"resourceName":"gpu","restartPolicy":"NotRequired"}]`, `[{"resourceName":"cpu"}]`,
		`[{"resourceName":"cpu","restartPolicy":"NotRequired"},{"resourceName":"cpu","restartPolicy":"RestartContainer"}]`)
	one(c+"restartPolicy", `"Always"`, `"Never"`, `"OnFailure"`, `"Sometimes"`)
	one(init+"restartPolicy", `"Always"`, `"Never"`, `"Sometimes"`)
	one(c+"restartPolicyRules", `[]`, `[{"action":"Restart","exitCodes":{"operator":"In","values":[1]}}]`)
	many(c+"restartPolicy", `"Never"`, c+"restartPolicyRules", `[{"action":"Restart","exitCodes":{"operator":"In","values":[1]}}]`)
	many(c+"restartPolicy", `"Never"`, c+"restartPolicyRules", `[{"action":"Start","exitCodes":{"operator":"In","values":[1]}}]`)
	many(c+"restartPolicy", `"Never"`, c+"restartPolicyRules", `[{"action":"Restart","exitCodes":{"operator":"Is","values":[1]}}]`)
	many(c+"restartPolicy", `"Never"`, c+"restartPolicyRules", `[{"action":"Restart"}]`)

	// Probes and hooks.
	handlers := []string{`{}`, `{"exec":{"command":["a"]}}`, `{"exec":{}}`, `{"exec":{"command":[]}}`, `{"httpGet":{"port":80}}`, `{"httpGet":{"port":"web","path":"/a"}}`, `{"httpGet":{"port":0}}`, `{"httpGet":{"port":99999}}`, `{"httpGet":{"port":"Web"}}`,
		`{"httpGet":{"port":""}}`, `{"httpGet":{"port":"80"}}`, `{"httpGet":{"port":"none"}}`, `{"httpGet":{"port":80,"scheme":"HTTPS"}}`, `{"httpGet":{"port":80,"scheme":"https"}}`, `{"httpGet":{"port":80,"httpHeaders":[{"name":"X-A","value":"b"}]}}`,
		`{"httpGet":{"port":80,"httpHeaders":[{"name":"X A","value":"b"}]}}`, `{"httpGet":{"port":80,"httpHeaders":[{"name":"","value":"b"}]}}`, `{"httpGet":{"port":80,"path":""}}`, `{"httpGet":{"port":80,"path":"a"}}`, `{"tcpSocket":{"port":80}}`, `{"tcpSocket":{"port":-1}}`, `{"tcpSocket":{"port":"a--b"}}`,
		`{"exec":{"command":["a"]},"tcpSocket":{"port":80}}`}
	for _, probe := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
		one(c+probe, handlers...)
		one(c+probe, `{"grpc":{"port":80}}`, `{"grpc":{"port":0}}`, `{"grpc":{"port":99999}}`)
		for _, number := range []string{"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold", "terminationGracePeriodSeconds"} {
			for _, value := range []string{"-1", "0", "1", "2"} {
				one(c+probe, `{"exec":{"command":["a"]},"`+number+`":`+value+`}`)
			}
		}
		one(init+probe, `{"exec":{"command":["a"]}}`)
		one(native+probe, `{"exec":{"command":["a"]}}`, `{}`)
		one(beside+probe, `{"httpGet":{"port":99999}}`)
	}
	for _, hook := range []string{"postStart", "preStop"} {
		for _, handler := range append(handlers, `{"sleep":{"seconds":0}}`, `{"sleep":{"seconds":30}}`, `{"sleep":{"seconds":31}}`, `{"sleep":{"seconds":-1}}`) {
			one(c+"lifecycle", `{"`+hook+`":`+handler+`}`)
		}
		one(init+"lifecycle", `{"`+hook+`":{"exec":{"command":["a"]}}}`)
		one(native+"lifecycle", `{"`+hook+`":{"exec":{"command":["a"]}}}`, `{"`+hook+`":{}}`)
	}
	one(c+"lifecycle", `{}`, `{"stopSignal":"SIGTERM"}`)
	many("spec/os", `{"name":"linux"}`, c+"lifecycle", `{"stopSignal":"SIGTERM"}`)
	many("spec/os", `{"name":"linux"}`, c+"lifecycle", `{"stopSignal":"SIGNOT"}`)
	many("spec/terminationGracePeriodSeconds", `60`, c+"lifecycle", `{"preStop":{"sleep":{"seconds":60}}}`)

	// Security.
	for _, at := range []string{c + "securityContext/", "spec/securityContext/"} {
		one(at+"runAsUser", `0`, `1000`, `-1`, `2147483647`, `2147483648`)
		one(at+"runAsGroup", `0`, `-1`, `2147483647`, `2147483648`)
		one(at+"seccompProfile", `{"type":"RuntimeDefault"}`, `{"type":"Localhost","localhostProfile":"a/b"}`, `{"type":"Localhost"}`, `{"type":"Localhost","localhostProfile":"/a"}`, `{"type":"Localhost","localhostProfile":"../a"}`, `{"type":"RuntimeDefault","localhostProfile":"a"}`, `{"type":"x"}`, `{"type":""}`)
		one(at+"appArmorProfile", `{"type":"RuntimeDefault"}`, `{"type":"Localhost","localhostProfile":"a"}`, `{"type":"Localhost"}`, `{"type":"Localhost","localhostProfile":""}`, `{"type":"Localhost","localhostProfile":" a"}`, `{"type":"RuntimeDefault","localhostProfile":"a"}`, `{"type":"x"}`, `{"type":""}`)
	}
	one("spec/securityContext/fsGroup", `0`, `-1`, `2147483648`)
	one("spec/securityContext/supplementalGroups", `[1,2]`, `[1,-2]`)
	one("spec/securityContext/fsGroupChangePolicy", `"Always"`, `"OnRootMismatch"`, `"Never"`)
	one("spec/securityContext/supplementalGroupsPolicy", `"Merge"`, `"Strict"`, `"x"`)
	one("spec/securityContext/sysctls", `[{"name":"net.ipv4.tcp_keepalive_time","value":"1"}]`, `[{"name":"net.ipv4.tcp_keepalive_time","value":"1"},{"name":"net.ipv4.tcp_keepalive_time","value":"2"}]`)
	one(c+"securityContext/procMount", `"Default"`)

	// Volumes.
	one("spec/volumes/1/name", append(names, `"data"`)...)
	sources := []string{`{}`, `{"emptyDir":{}}`, `{"emptyDir":{"sizeLimit":"1Gi"}}`, `{"emptyDir":{"sizeLimit":"-1Gi"}}`, `{"emptyDir":{"sizeLimit":"x"}}`, `{"emptyDir":{"sizeLimit":"0"}}`, `{"emptyDir":{"medium":"Memory"}}`, `{"emptyDir":{"medium":"x"}}`,
		`{"emptyDir":{},"configMap":{"name":"a"}}`, `{"secret":{"secretName":"a"},"configMap":{"name":"a"}}`, `{"secret":{}}`, `{"secret":{"secretName":""}}`, `{"secret":{"secretName":"A"}}`, `{"configMap":{}}`, `{"configMap":{"name":""}}`, `{"configMap":{"name":"A_B"}}`,
		`{"persistentVolumeClaim":{"claimName":"a"}}`, `{"persistentVolumeClaim":{"claimName":""}}`, `{"image":{"reference":"a"}}`, `{"image":{}}`, `{"image":{"reference":"a","pullPolicy":"Never"}}`, `{"image":{"reference":"a","pullPolicy":"x"}}`,
		`{"configMap":{"name":"a","defaultMode":511}}`, `{"configMap":{"name":"a","defaultMode":512}}`, `{"configMap":{"name":"a","defaultMode":-1}}`, `{"secret":{"secretName":"a","defaultMode":512}}`, `{"downwardAPI":{"defaultMode":512}}`, `{"projected":{"defaultMode":512,"sources":[]}}`,
		`{"downwardAPI":{}}`, `{"projected":{}}`, `{"projected":{"sources":[]}}`, `{"projected":{"sources":[{}]}}`,
		`{"downwardAPI":{"items":[{"path":"a"}]}}`, `{"downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"metadata.name"},"resourceFieldRef":{"containerName":"instance","resource":"limits.cpu"}}]}}`, `{"downwardAPI":{"items":[{"path":"","fieldRef":{"fieldPath":"metadata.name"}}]}}`,
		`{"downwardAPI":{"items":[{"path":"/a","fieldRef":{"fieldPath":"metadata.name"}}]}}`, `{"downwardAPI":{"items":[{"path":"..a","fieldRef":{"fieldPath":"metadata.name"}}]}}`, `{"downwardAPI":{"items":[{"path":"a","mode":512,"fieldRef":{"fieldPath":"metadata.name"}}]}}`,
		`{"downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"metadata.name"}},{"path":"a","fieldRef":{"fieldPath":"metadata.uid"}}]}}`,
		`{"projected":{"sources":[{"configMap":{"name":"a"},"secret":{"name":"b"}}]}}`, `{"projected":{"sources":[{"configMap":{}}]}}`, `{"projected":{"sources":[{"secret":{}}]}}`,
		`{"projected":{"sources":[{"configMap":{"name":"a","items":[{"key":"a","path":"a"}]}},{"secret":{"name":"a","items":[{"key":"a","path":"a"}]}}]}}`,
		`{"projected":{"sources":[{"configMap":{"name":"a","items":[{"key":"a","path":"a"}]}},{"secret":{"name":"a","items":[{"key":"a","path":"b"}]}}]}}`,
		`{"projected":{"sources":[{"downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"metadata.labels"}}]}},{"configMap":{"name":"a","items":[{"key":"a","path":"a"}]}}]}}`,
		`{"projected":{"sources":[{"clusterTrustBundle":{"name":"a","path":"a"}}]}}`, `{"projected":{"sources":[{"clusterTrustBundle":{"path":"a"}}]}}`, `{"projected":{"sources":[{"clusterTrustBundle":{"name":"a","signerName":"a.b/c","path":"a"}}]}}`, `{"projected":{"sources":[{"clusterTrustBundle":{"name":"a","path":""}}]}}`,
		`{"ephemeral":{}}`}
	for _, source := range sources {
		one("spec/volumes/1", strings.Replace(`{"name":"conf",`+source[1:], ",}", "}", 1))
	}
	for _, item := range []string{`{"key":"a","path":"b"}`, `{"key":"a"}`, `{"path":"b"}`, `{"key":"","path":"b"}`, `{"key":"a","path":""}`, `{"key":"a","path":"/b"}`, `{"key":"a","path":"b/../c"}`, `{"key":"a","path":"../c"}`, `{"key":"a","path":"..c"}`, `{"key":"a","path":"c.."}`, `{"key":"a","path":"b","mode":511}`, `{"key":"a","path":"b","mode":512}`, `{"key":"a","path":"b","mode":-1}`, `{"key":"a b","path":"c"}`} {
		one("spec/volumes/1", `{"name":"conf","configMap":{"name":"a","items":[`+item+`]}}`, `{"name":"conf","secret":{"secretName":"a","items":[`+item+`]}}`, `{"name":"conf","projected":{"sources":[{"secret":{"name":"a","items":[`+item+`]}}]}}`)
	}
	for _, claim := range []string{`{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}`, `{"resources":{"requests":{"storage":"1Gi"}}}`, `{"accessModes":["ReadWriteOnce"]}`, `{"accessModes":["x"],"resources":{"requests":{"storage":"1Gi"}}}`, `{"accessModes":["ReadWriteOncePod","ReadWriteMany"],"resources":{"requests":{"storage":"1Gi"}}}`, `{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"0"}}}`, `{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"-1"}}}`,
		`{"accessModes":["ReadWriteOnce"],"storageClassName":"A","resources":{"requests":{"storage":"1Gi"}}}`, `{"accessModes":["ReadWriteOnce"],"storageClassName":"a","resources":{"requests":{"storage":"1Gi"}}}`, `{"accessModes":["ReadWriteOnce"],"volumeMode":"x","resources":{"requests":{"storage":"1Gi"}}}`, `{"accessModes":["ReadWriteOnce"],"volumeMode":"Block","resources":{"requests":{"storage":"1Gi"}}}`} {
		one("spec/volumes/1", `{"name":"conf","ephemeral":{"volumeClaimTemplate":{"spec":`+claim+`}}}`)
	}

	// The Pod.
	one("spec/restartPolicy", `"Always"`, `"Sometimes"`)
	one("spec/dnsPolicy", `"ClusterFirst"`, `"ClusterFirstWithHostNet"`, `"Default"`, `"None"`, `"x"`)
	one("spec/dnsConfig", `{"nameservers":["1.1.1.1","::1"]}`, `{"nameservers":["1.1.1"]}`, `{"nameservers":["1.1.1.1","1.1.1.2","1.1.1.3"]}`, `{"nameservers":["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]}`, `{"nameservers":["x"]}`, `{"searches":["a.b","c."]}`, `{"searches":["."]}`, `{"searches":["a_b"]}`, `{"searches":["A"]}`, `{"searches":[""]}`, `{"searches":["a b"]}`, `{"searches":["_a.b_c"]}`, `{"searches":["_"]}`, `{"options":[{"name":"ndots","value":"2"}]}`, `{"options":[{}]}`, `{"options":[{"name":""}]}`, `{"nameservers":["01.1.1.1"]}`)
	many("spec/dnsPolicy", `"None"`, "spec/dnsConfig", `{"nameservers":["1.1.1.1"]}`)
	many("spec/dnsPolicy", `"None"`, "spec/dnsConfig", `{}`)
	one("spec/hostname", `""`, `"a"`, `"a.b"`, `"A"`, long(63), long(64))
	one("spec/subdomain", `"a"`, `"a.b"`, `"-"`)
	one("spec/hostAliases", `[{"ip":"1.1.1.1","hostnames":["a","a.b"]}]`, `[{"ip":"x","hostnames":["a"]}]`, `[{"ip":"1.1.1.1","hostnames":["A"]}]`, `[{"ip":"","hostnames":["a"]}]`, `[{"ip":"fe80::1","hostnames":["a_b"]}]`, `[{"ip":"fe80::1"}]`)
	one("spec/imagePullSecrets", `[{"name":"a"}]`, `[{}]`, `[{"name":"A B"}]`)
	one("spec/readinessGates", `[{"conditionType":"a.b/c"}]`, `[{"conditionType":"a b"}]`, `[{"conditionType":""}]`)
	one("spec/terminationGracePeriodSeconds", `1`, `600`)
	one("spec/preemptionPolicy", `"Never"`, `"PreemptLowerPriority"`, `"x"`)
	one("spec/hostUsers", `true`, `false`)
	one("spec/os", `{"name":"linux"}`, `{"name":"x"}`, `{"name":""}`)
	one("spec/hostnameOverride", `"a"`, `"a.b"`, `"A"`, `"a_b"`, long(64), long(65))
	many("spec/hostnameOverride", `"a"`, "spec/setHostnameAsFQDN", `true`)

	// Placement.
	for _, rule := range []string{`{"key":"a","operator":"In","values":["b"]}`, `{"key":"a","operator":"In"}`, `{"key":"a","operator":"In","values":[]}`, `{"key":"a","operator":"Exists"}`, `{"key":"a","operator":"Exists","values":["b"]}`, `{"key":"a","operator":"DoesNotExist","values":["b"]}`, `{"key":"a","operator":"NotIn","values":["b"]}`, `{"key":"a","operator":"Gt","values":["1"]}`, `{"key":"a","operator":"Lt","values":["1","2"]}`, `{"key":"a","operator":"Gt","values":["x"]}`, `{"key":"a","operator":"x","values":["1"]}`, `{"key":"a","operator":"in","values":["1"]}`, `{"key":"","operator":"Exists"}`, `{"key":"a b","operator":"Exists"}`, `{"key":"a","operator":"In","values":["b c"]}`, `{"operator":"Exists"}`} {
		one("spec/affinity", `{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[`+rule+`]}]}}}`, `{"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"preference":{"matchExpressions":[`+rule+`]}}]}}`)
		one("spec/affinity", `{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"a","labelSelector":{"matchExpressions":[`+rule+`]}}]}}`)
		one("spec/topologySpreadConstraints", `[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchExpressions":[`+rule+`]}}]`)
	}
	for _, weight := range []string{"0", "1", "100", "101", "-1"} {
		one("spec/affinity", `{"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":`+weight+`,"preference":{"matchExpressions":[{"key":"a","operator":"Exists"}]}}]}}`, `{"podAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":`+weight+`,"podAffinityTerm":{"topologyKey":"a"}}]}}`)
	}
	one("spec/affinity", `{}`, `{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[]}}}`, `{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{}]}}}`,
		`{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["a"]}]}]}}}`,
		`{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.uid","operator":"In","values":["a"]}]}]}}}`,
		`{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"Exists"}]}]}}}`,
		`{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["a","b"]}]}]}}}`,
		`{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["A B"]}]}]}}}`,
		`{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":""}]}}`, `{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"a b"}]}}`, `{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{}]}}`,
		`{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"a","labelSelector":{"matchLabels":{"a":"b"}}}]}}`, `{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"a","labelSelector":{"matchLabels":{"a b":"b"}}}]}}`, `{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"a","labelSelector":{"matchLabels":{"a":"b c"}}}]}}`)
	one("spec/topologySpreadConstraints", `[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule"}]`, `[{"maxSkew":0,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule"}]`, `[{"maxSkew":-1,"topologyKey":"a","whenUnsatisfiable":"ScheduleAnyway"}]`, `[{"maxSkew":1,"topologyKey":"","whenUnsatisfiable":"ScheduleAnyway"}]`, `[{"maxSkew":1,"topologyKey":"a b","whenUnsatisfiable":"ScheduleAnyway"}]`, `[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"x"}]`, `[{"maxSkew":1,"topologyKey":"a"}]`, `[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule","minDomains":1}]`, `[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule","minDomains":0}]`, `[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"ScheduleAnyway","minDomains":1}]`,
		`[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule"},{"maxSkew":2,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule"}]`, `[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule"},{"maxSkew":2,"topologyKey":"a","whenUnsatisfiable":"ScheduleAnyway"}]`, `[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule","nodeAffinityPolicy":"Honor"}]`, `[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule","nodeTaintsPolicy":"x"}]`)
	for _, toleration := range []string{`{"key":"a","operator":"Exists"}`, `{"key":"a","value":"b"}`, `{"key":"a","operator":"Equal","value":"b"}`, `{"key":"a","operator":"Exists","value":"b"}`, `{"key":"a b","operator":"Exists"}`, `{"key":"a","operator":"x"}`, `{"key":"a","operator":"Exists","effect":"NoSchedule"}`, `{"key":"a","operator":"Exists","effect":"x"}`, `{"key":"a","operator":"Exists","tolerationSeconds":1}`, `{"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":1}`, `{"key":"a","value":"b c"}`} {
		one("spec/tolerations", `[`+toleration+`]`)
	}
	return all
}
