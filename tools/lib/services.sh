# SPDX-License-Identifier: Apache-2.0
# The servers that integration tests talk to: started if they do not run, used if they do.  Sourced, never run.
# Tests find them by NOVA_TEST_MYSQL, NOVA_TEST_POSTGRESQL (URLs of SQLAlchemy) and NOVA_TEST_RABBIT; set one to use another.
# shellcheck shell=bash

# Start a service of the distribution, with or without systemd.
start_service() {
    say "starting $1"
    if [ -d /run/systemd/system ]; then
        quietly systemctl start "$1"
    else
        quietly service "$1" start
    fi
}

# Whether a database lets us in.
opens() {
    "$VENV/bin/python" - "$1" >/dev/null 2>&1 <<'PYTHON'
import sys

import sqlalchemy

sqlalchemy.create_engine(sys.argv[1]).connect().close()
PYTHON
}

# A password for the accounts that we make in databases of this machine, kept beside the tree.
test_password() {
    local file=$TREE/.cache/test-password
    mkdir -p "$TREE/.cache"
    [ -s "$file" ] || (umask 077 && head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$file")
    cat "$file"
}

start_mariadb() {
    is_listening 3306 || { start_service mariadb && wait_until 60 is_listening 3306; } || fail 'MariaDB does not start'
    export NOVA_TEST_MYSQL=${NOVA_TEST_MYSQL:-mysql+pymysql://root@127.0.0.1/}
    opens "$NOVA_TEST_MYSQL" && return 0
    # Debian's root comes in by the socket only. We have an account of our own beside it.
    say 'MariaDB: making the account nova_test'
    quietly mysql --protocol=socket -e "
        CREATE USER IF NOT EXISTS nova_test@'127.0.0.1';
        CREATE USER IF NOT EXISTS nova_test@localhost;
        SET PASSWORD FOR nova_test@'127.0.0.1' = PASSWORD('$(test_password)');
        SET PASSWORD FOR nova_test@localhost = PASSWORD('$(test_password)');
        GRANT ALL ON *.* TO nova_test@'127.0.0.1' WITH GRANT OPTION;
        GRANT ALL ON *.* TO nova_test@localhost WITH GRANT OPTION;" || fail 'MariaDB lets nobody in: set NOVA_TEST_MYSQL'
    export NOVA_TEST_MYSQL="mysql+pymysql://nova_test:$(test_password)@127.0.0.1/"
    opens "$NOVA_TEST_MYSQL" || fail 'MariaDB does not let nova_test in: set NOVA_TEST_MYSQL'
}

start_postgresql() {
    is_listening 5432 || { start_service postgresql && wait_until 60 is_listening 5432; } ||
        fail 'PostgreSQL does not start'
    export NOVA_TEST_POSTGRESQL=${NOVA_TEST_POSTGRESQL:-postgresql+psycopg2://postgres@127.0.0.1/postgres}
    opens "$NOVA_TEST_POSTGRESQL" && return 0
    say 'PostgreSQL: making the role nova_test'
    quietly su postgres -c "psql -q -v ON_ERROR_STOP=1" <<SQL || fail 'PostgreSQL lets nobody in: set NOVA_TEST_POSTGRESQL'
DO \$\$ BEGIN CREATE ROLE nova_test; EXCEPTION WHEN duplicate_object THEN NULL; END \$\$;
ALTER ROLE nova_test LOGIN SUPERUSER PASSWORD '$(test_password)';
SQL
    export NOVA_TEST_POSTGRESQL="postgresql+psycopg2://nova_test:$(test_password)@127.0.0.1/postgres"
    opens "$NOVA_TEST_POSTGRESQL" || fail 'PostgreSQL does not let nova_test in: set NOVA_TEST_POSTGRESQL'
}

start_rabbitmq() {
    export NOVA_TEST_RABBIT=${NOVA_TEST_RABBIT:-rabbit://guest:guest@127.0.0.1:5672/}
    is_listening 5672 || { start_service rabbitmq-server && wait_until 90 is_listening 5672; } ||
        fail 'RabbitMQ does not start'
}
