// Command cron prints when lines of cron are due, as the parser that Kubernetes uses for CronJobs reads them. Each line
// of the output has a line of cron, and its next four times after the start of 2026 or "error". core's tests compare
// their own reading with it.
package main

import (
	"fmt"
	"math/rand"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

func main() {
	fmt.Println("# line\tnext four times, or error; made by tests/control-plane/kubernetes/cron")
	random := rand.New(rand.NewSource(1)) // A fixed seed makes the same file each time.
	lines := []string{
		"0 12 1-31 * 1", "0 12 * * 1", "0 12 */1 * 1", "0 12 */2 * 1", "0 12 1 * *", "0 12 1 * 0-6", "0 12 1 * */1", "0 12 1 * */2",
		"0 12 *,1 * 1", "0 12 1 * *,1", "0 12 1/1 * 1", "0 12 13 * 5", "0 22-6 * * *", "0 12 * * Monday", "0 12 * * MON-fri",
		"0 12 * * 5-1", "0 12 31 2 *", "0 12 29 2 *", "0 12 1 jan-mar,DEC sat", "0 12 */40 * 1", "0 12 * 1-12 1",
	}
	for len(lines) < 600 {
		lines = append(lines, strings.Join([]string{
			// Schedules are due at most 24 times a day, so that most lines have one minute.
			field(random, 0, random.Intn(2)*random.Intn(60), nil), field(random, 0, 23, nil), field(random, 1, 31, nil),
			field(random, 1, 12, []string{"jan", "Feb", "MAR", "dec"}), field(random, 0, 6, []string{"sun", "Mon", "FRI", "sat"}),
		}, " "))
	}
	for _, line := range lines {
		schedule, err := cron.ParseStandard(line)
		if err != nil {
			fmt.Printf("%s\terror\n", line)
			continue
		}
		at, times := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), []string{}
		for range 4 {
			at = schedule.Next(at)
			if at.IsZero() {
				break
			}
			times = append(times, at.Format("2006-01-02T15:04Z"))
		}
		fmt.Printf("%s\t%s\n", line, strings.Join(times, " "))
	}
}

// field makes a field of one or two parts, rarely an invalid one.
func field(random *rand.Rand, least, most int, names []string) string {
	value := func() string {
		if names != nil && random.Intn(4) == 0 {
			return names[random.Intn(len(names))]
		}
		return fmt.Sprint(least + random.Intn(most-least+1))
	}
	part := func() string {
		if most == 0 {
			return "0"
		}
		text := "*"
		switch random.Intn(6) {
		case 0, 1:
			text = value()
		case 2:
			from := least + random.Intn(most-least+1)
			text = fmt.Sprintf("%d-%d", from, from+random.Intn(most-from+1))
		case 3:
			text = fmt.Sprintf("%d-%d", least, most)
		case 4:
			if random.Intn(10) == 0 {
				text = value() + "-" + value()
			}
		}
		if random.Intn(5) == 0 {
			text += fmt.Sprintf("/%d", random.Intn(9))
		}
		return text
	}
	if random.Intn(5) == 0 {
		return part() + "," + part()
	}
	return part()
}
