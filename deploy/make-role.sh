#!/bin/sh
# Run by the image of PostgreSQL, when its volume is empty: an ordinary role, and its database.
set -eu
psql --set ON_ERROR_STOP=1 --set "password=$(cat /run/secrets/usher-password)" \
    --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
CREATE ROLE usher LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE usher OWNER usher;
SQL
