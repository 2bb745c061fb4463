#!/bin/sh
# Creates the roles and the database of Baton: the owner of the tables, and the service's role.
# It uses the connection of libpq's variables (PGHOST, PGUSER, …), by default the local superuser's.
set -eu
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname "${POSTGRES_DB:-postgres}" \
  --username "${POSTGRES_USER:-postgres}" <<'SQL'
\getenv owner_password BATON_OWNER_PASSWORD
\getenv service_password BATON_DATABASE_PASSWORD
CREATE ROLE baton_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE baton LOGIN PASSWORD :'service_password';
CREATE DATABASE baton OWNER baton_owner;
SQL
