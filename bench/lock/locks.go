// Command locks measures concurrency.Mutex of etcd's Go client: commands on standard input, answers in JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

var (
	client  *clientv3.Client
	session *concurrency.Session
)

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		words := strings.Fields(scanner.Text())
		switch words[0] {
		case "connect":
			var err error
			client, err = clientv3.New(clientv3.Config{Endpoints: []string{words[1]}, DialTimeout: 5 * time.Second})
			must(err)
			session, err = concurrency.NewSession(client, concurrency.WithTTL(30))
			must(err)
			answer(map[string]int{})
		case "sequential":
			answer(map[string]float64{"p50": sequential(number(words[1]))})
		case "parallel":
			answer(map[string]float64{"perSecond": parallel(number(words[1]), number(words[2]))})
		case "contend":
			answer(contend(words[1], number(words[2]), number(words[3])))
		}
	}
}

// sequential takes and gives back one lock after the other; the median cycle in microseconds.
func sequential(cycles int) float64 {
	times := make([]float64, cycles)
	for i := range times {
		started := time.Now()
		cycle(fmt.Sprintf("/locks/go-%d", i%100))
		times[i] = float64(time.Since(started).Nanoseconds()) / 1000
	}
	sort.Float64s(times)
	return times[cycles/2]
}

// parallel has tasks take a lock of their own again and again; cycles a second.
func parallel(tasks, cycles int) float64 {
	started := time.Now()
	var group sync.WaitGroup
	for task := 0; task < tasks; task++ {
		group.Add(1)
		go func(task int) {
			defer group.Done()
			for i := 0; i < cycles; i++ {
				cycle(fmt.Sprintf("/locks/go-%d", task))
			}
		}(task)
	}
	group.Wait()
	return float64(tasks*cycles) / time.Since(started).Seconds()
}

func cycle(name string) {
	mutex := concurrency.NewMutex(session, name)
	must(mutex.Lock(context.Background()))
	must(mutex.Unlock(context.Background()))
}

// contend has waiters of this process fight for one lock until the time is over. Each needs a session of its own: on a
// shared one two waiters of a process would both own the lock. Times are in microseconds of the wall clock.
func contend(name string, waiters, ms int) [][3]int64 {
	var guard sync.Mutex
	var turns [][3]int64
	var group sync.WaitGroup
	end := time.Now().Add(time.Duration(ms) * time.Millisecond)
	for waiter := 0; waiter < waiters; waiter++ {
		group.Add(1)
		go func() {
			defer group.Done()
			own, err := concurrency.NewSession(client, concurrency.WithTTL(30))
			must(err)
			defer own.Close()
			for time.Now().Before(end) {
				mutex := concurrency.NewMutex(own, name)
				must(mutex.Lock(context.Background()))
				acquired := time.Now().UnixNano() / 1000
				token := mutex.Header().Revision
				released := time.Now().UnixNano() / 1000
				must(mutex.Unlock(context.Background()))
				guard.Lock()
				turns = append(turns, [3]int64{acquired, released, token})
				guard.Unlock()
			}
		}()
	}
	group.Wait()
	return turns
}

func number(word string) int {
	value, err := strconv.Atoi(word)
	must(err)
	return value
}

func answer(value interface{}) {
	text, err := json.Marshal(value)
	must(err)
	fmt.Println(string(text))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
