package postgres

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"pushpull/transports/store/storetest"
)

func openAtOnce(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), address, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

func noSchema(t *testing.T, server *storetest.Server) {
	refused(t, with(t, server.URL, "search_path", "nowhere"), "CREATE SCHEMA")
}

// privileges opens the store as a user who may do little.
func privileges(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name, path := fmt.Sprintf("modest_%x", rand.Uint64()), u.Query().Get("search_path")
	u.User = url.UserPassword(name, "secret")
	execute(t, address, fmt.Sprintf(`CREATE ROLE %s LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA %s TO %[1]s`, name, path))
	t.Cleanup(func() { execute(t, server.URL, fmt.Sprintf(`DROP OWNED BY %s; DROP ROLE %[1]s`, name)) })
	refused(t, u.String(), "permission denied", "search_path")

	open(t, address, Options{}) // who may do more makes the tables
	execute(t, address, fmt.Sprintf(`GRANT ALL ON ALL TABLES IN SCHEMA %s TO %s`, path, name))
	fill(t, open(t, u.String(), Options{}), "room", 1)
}

// plans checks that statements find rows by the index when nobody has told the server how many
// there are.
func plans(t *testing.T, server *storetest.Server) {
	address := schema(t, server)
	s := open(t, address, Options{})
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for statement, arguments := range map[string]string{
		s.tables.after: `'room', 1, 100`,
		s.tables.trim:  `'room', 1`,
	} {
		if _, err := conn.Exec(t.Context(), `SET plan_cache_mode = force_generic_plan; PREPARE it AS `+statement); err != nil {
			t.Fatal(err)
		}
		rows, _ := conn.Query(t.Context(), `EXPLAIN EXECUTE it(`+arguments+`)`, pgx.QueryExecModeSimpleProtocol)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if plan := strings.Join(lines, "\n"); err != nil || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%v: %s\n%s", err, statement, plan)
		} else {
			t.Log(plan)
		}
		if _, err := conn.Exec(t.Context(), `DEALLOCATE it`); err != nil {
			t.Fatal(err)
		}
	}
}
