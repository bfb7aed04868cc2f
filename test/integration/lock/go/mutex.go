// Command mutex contends for a lock with concurrency.Mutex of etcd's Go client: mutex ENDPOINT NAME TASKS CYCLES FOLDER.
// In the critical section it does what the specs' own tasks do: make FOLDER/inside, which must not exist, add one to
// FOLDER/count, and append its create revision to FOLDER/order.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

func main() {
	endpoint, name, folder := os.Args[1], os.Args[2], os.Args[5]
	tasks, cycles := number(os.Args[3]), number(os.Args[4])
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second})
	must(err)
	var group sync.WaitGroup
	for task := 0; task < tasks; task++ {
		group.Add(1)
		go func() {
			defer group.Done()
			// A session each: on a shared one two tasks of a process would both own the lock.
			session, err := concurrency.NewSession(client, concurrency.WithTTL(30))
			must(err)
			defer session.Close()
			for cycle := 0; cycle < cycles; cycle++ {
				mutex := concurrency.NewMutex(session, name)
				must(mutex.Lock(context.Background()))
				critical(client, mutex, folder)
				must(mutex.Unlock(context.Background()))
			}
		}()
	}
	group.Wait()
}

func critical(client *clientv3.Client, mutex *concurrency.Mutex, folder string) {
	inside := filepath.Join(folder, "inside")
	file, err := os.OpenFile(inside, os.O_CREATE|os.O_EXCL, 0o600)
	must(err)
	must(file.Close())
	own, err := client.Get(context.Background(), mutex.Key())
	must(err)
	count := filepath.Join(folder, "count")
	text, err := os.ReadFile(count)
	must(err)
	must(os.WriteFile(count, []byte(strconv.Itoa(number(strings.TrimSpace(string(text)))+1)), 0o600))
	order, err := os.OpenFile(filepath.Join(folder, "order"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(err)
	_, err = fmt.Fprintf(order, "go %d\n", own.Kvs[0].CreateRevision)
	must(err)
	must(order.Close())
	must(os.Remove(inside))
}

func number(word string) int {
	value, err := strconv.Atoi(word)
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
