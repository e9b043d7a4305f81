"""Clients that refresh the view "sales", each as its users write it: clients.py NAME.  The server is that of
PGHOST, PGPORT, PGUSER and PGDATABASE."""
import os
import sys


def psycopg2():
    import psycopg2
    connection = psycopg2.connect("")
    with connection, connection.cursor() as cursor:
        cursor.execute("REFRESH MATERIALIZED VIEW sales")
        assert cursor.statusmessage == "REFRESH MATERIALIZED VIEW", cursor.statusmessage


def psycopg2_autocommit():
    import psycopg2
    connection = psycopg2.connect("")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY sales")


def psycopg():
    import psycopg
    with psycopg.connect("") as connection:
        cursor = connection.execute("REFRESH MATERIALIZED VIEW sales")
        assert cursor.statusmessage == "REFRESH MATERIALIZED VIEW", cursor.statusmessage


def psycopg_prepared():
    import psycopg
    with psycopg.connect("", autocommit=True) as connection:
        for _ in range(3):
            connection.execute("REFRESH MATERIALIZED VIEW sales", prepare=True)


def psycopg_pipeline():
    import psycopg
    with psycopg.connect("", autocommit=True) as connection, connection.pipeline():
        connection.execute("UPDATE orders SET amount = amount + 1 WHERE id = 4")
        connection.execute("REFRESH MATERIALIZED VIEW sales")
        assert connection.execute("SELECT sum(amount) = (SELECT sum(amount) FROM sales) FROM orders").fetchone()[0]


def engine():
    import sqlalchemy
    return sqlalchemy.create_engine("postgresql+psycopg2://")


def sqlalchemy():
    from sqlalchemy import text
    with engine().begin() as connection:
        connection.execute(text("REFRESH MATERIALIZED VIEW sales"))


def sqlalchemy_utils():
    from sqlalchemy.orm import Session
    from sqlalchemy_utils import refresh_materialized_view
    with Session(engine()) as session:
        refresh_materialized_view(session, "sales", concurrently=True)
        session.commit()


def setup_django():
    import django
    from django.conf import settings
    settings.configure(DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
        "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}})
    django.setup()


def django():
    setup_django()
    from django.db import connection, migrations
    from django.db.migrations.executor import MigrationExecutor
    from django.db.migrations.state import ProjectState
    migration = migrations.Migration("refresh", "shop")
    migration.operations = [migrations.RunSQL("REFRESH MATERIALIZED VIEW sales")]
    with connection.schema_editor(atomic=migration.atomic) as editor:
        migration.apply(ProjectState(), editor)
    assert MigrationExecutor


def django_cursor():
    setup_django()
    from django.db import connection
    with connection.cursor() as cursor:
        cursor.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY sales")


globals()[sys.argv[1]]()
