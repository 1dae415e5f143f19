// Command vectors prints how the real apimachinery reads quantities. Each line has a text, its canonical form and its
// value in 10^-9 units, or "error". core's tests compare their own reading with it.
package main

import (
	"fmt"
	"math/big"
	"math/rand"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	fmt.Println("# text\tcanonical form, or error\tvalue in 10^-9 units; made by tests/control-plane/kubernetes/vectors")
	seen := map[string]bool{}
	for _, text := range texts() {
		if seen[text] || strings.ContainsAny(text, "\t\n#") {
			continue
		}
		seen[text] = true
		q, err := resource.ParseQuantity(text)
		if err != nil {
			fmt.Printf("%s\terror\n", text)
			continue
		}
		// A Quantity may keep the text as its printed form, so the canonical form is computed.
		number, suffix := q.CanonicalizeBytes(nil)
		dec := q.AsDec()
		nanos := new(big.Int).Set(dec.UnscaledBig())
		exponent := int64(9) - int64(dec.Scale())
		ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(abs(exponent)), nil)
		if exponent >= 0 {
			nanos.Mul(nanos, ten)
		} else {
			nanos.Div(nanos, ten)
		}
		fmt.Printf("%s\t%s%s\t%s\n", text, number, suffix, nanos)
	}
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

func texts() []string {
	suffixes := []string{"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e0", "e3", "E3", "e-3", "e6", "e9", "e+2", "e-9", "e1"}
	numbers := []string{"0", "1", "2", "5", "10", "12", "100", "999", "1000", "1023", "1024", "1025", "1500", "2048", "1048576", "0.5", "1.5", "0.1", "0.25", "1.", ".5", "0.001", "0.000000001", "0.0000000001",
		"1.0000000001", "123456789.123456789", "9007199254740993", "9223372036854775807", "00012", "-1", "-0.5", "+3", "-1024"}
	var out []string
	for _, n := range numbers {
		for _, s := range suffixes {
			out = append(out, n+s)
		}
	}
	out = append(out, "", "-", "+", ".", "-.", "1.2.3", "--1", "++1", "-+1", "1-", "Ki", "m", "1ki", "1K", "1g", "1mi", "1 Gi", " 1", "1 ", "0x10", "1e", "1E", "1e1.5", "1eE", "1Kii", "1iK", "1,5", "1_000", "∞", "NaN", "inf", "1e-10", "5e-12", "12E", "12Ei", "16Ei", "8Ei", "7Ei", "9E", "10E", "1e18", "1e19", "1e30",
		"9223372036854775808", "99999999999999999999", "0.00000000000000000000001", "1000000000000000000000n", "3.0000000001Ki", "1.00000000001Mi", "0.9Ki", "0.0001Ki", "1.1Ki", "1025Ki", "1048576Ki", "1536Mi", "0.5Gi", "0.1Gi", "100m", "1100m", "1000m", "2500000u", "1000000n", "1234567n")
	// A fixed seed makes the same file each time.
	random := rand.New(rand.NewSource(1))
	for i := 0; i < 1500; i++ {
		number := fmt.Sprintf("%d", random.Int63n(int64(1)<<uint(1+random.Intn(50))))
		if random.Intn(2) == 0 {
			number += fmt.Sprintf(".%0*d", 1+random.Intn(9), random.Intn(1000))
		}
		out = append(out, number+suffixes[random.Intn(len(suffixes))])
	}
	return out
}
