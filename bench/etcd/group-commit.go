// Command group-commit measures etcd's Go client: it reads commands from standard input and answers each with JSON.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

func main() {
	var client *clientv3.Client
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		words := strings.Fields(scanner.Text())
		switch words[0] {
		case "connect":
			var err error
			client, err = clientv3.New(clientv3.Config{Endpoints: []string{words[1]}, DialTimeout: 5 * time.Second})
			must(err)
			_, err = client.Get(context.Background(), "health")
			must(err)
			fmt.Println("{}")
		case "register":
			var count, concurrent int
			must2(fmt.Sscan(words[1], &count))
			must2(fmt.Sscan(words[2], &concurrent))
			fmt.Printf("{\"ms\":%f}\n", register(client, count, concurrent))
		}
	}
}

// register puts count keys under one shared session, as go-zero, kratos and gochat users do with a shared lease.
func register(client *clientv3.Client, count, concurrent int) float64 {
	session, err := concurrency.NewSession(client, concurrency.WithTTL(15))
	must(err)
	started := time.Now()
	keys := make(chan int, count)
	for key := 0; key < count; key++ {
		keys <- key
	}
	close(keys)
	var group sync.WaitGroup
	for worker := 0; worker < concurrent; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for key := range keys {
				_, err := client.Put(context.Background(), fmt.Sprintf("/services/go/%d", key), "{}", clientv3.WithLease(session.Lease()))
				must(err)
			}
		}()
	}
	group.Wait()
	took := float64(time.Since(started).Microseconds()) / 1000
	must(session.Close())
	return took
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func must2(_ int, err error) { must(err) }
