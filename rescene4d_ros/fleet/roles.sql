-- Roles of a fleet: robots deposit visits and read, workers write, nobody else connects.
-- Run by `rescene4d fleet roles` as a superuser of the server; harmless when repeated.
-- Names with a colon stand for quoted names. Passwords: \password, or a certificate.

DO $$ BEGIN
    CREATE ROLE :robot LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
DO $$ BEGIN
    CREATE ROLE :worker LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

REVOKE ALL ON DATABASE :database FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :database TO :robot, :worker;
-- A worker makes the schema of the memory of a new map.
GRANT CREATE ON DATABASE :database TO :worker;

-- What a worker makes, robots may read: memories of maps that come later, too.
ALTER DEFAULT PRIVILEGES FOR ROLE :worker GRANT USAGE ON SCHEMAS TO :robot;
ALTER DEFAULT PRIVILEGES FOR ROLE :worker GRANT SELECT ON TABLES TO :robot;

ALTER SCHEMA rescene4d_fleet OWNER TO :worker;
ALTER TABLE rescene4d_fleet.deposits OWNER TO :worker;
ALTER TABLE rescene4d_fleet.leases OWNER TO :worker;
ALTER TABLE rescene4d_fleet.heartbeats OWNER TO :worker;
GRANT USAGE ON SCHEMA rescene4d_fleet TO :robot;
GRANT SELECT ON rescene4d_fleet.deposits TO :robot;
-- Status, visit and revision of a deposit are the worker's.
GRANT INSERT (map_id, stamp_ns, name, file, n_points, robot)
    ON rescene4d_fleet.deposits TO :robot;

-- The lock of a memory's writer is one of these: a robot must not keep a worker out.
DO $$ DECLARE
    lock regprocedure;
BEGIN
    FOR lock IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory'
    LOOP
        EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || lock || ' FROM PUBLIC';
        EXECUTE 'GRANT EXECUTE ON FUNCTION ' || lock || ' TO ' || quote_ident(:worker_text);
    END LOOP;
END $$;
