#!/bin/sh
# Run by the image of PostgreSQL, when its volume is empty: an ordinary role, and its database.
set -eu
test -s /run/secrets/usher-password
psql --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat /run/secrets/usher-password`
CREATE ROLE usher LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE usher OWNER usher;
SQL
