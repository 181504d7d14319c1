extension NodeDatabase.Kind {
    /// Logs, replicas, blobs.
    static let node = NodeDatabase.Kind(
        applicationID: 0x456e_7431,  // "Ent1"
        version: 9,
        steps: [
            """
            CREATE TABLE log (
                id INTEGER PRIMARY KEY,
                log_id BLOB NOT NULL UNIQUE CHECK (length(log_id) = 32),
                origin TEXT NOT NULL UNIQUE,
                node TEXT NOT NULL,
                community TEXT NOT NULL,
                own INTEGER NOT NULL,
                verifier_key TEXT NOT NULL,
                size INTEGER NOT NULL DEFAULT 0,
                frozen TEXT,
                recovering INTEGER NOT NULL DEFAULT 0
            ) STRICT;
            CREATE INDEX log_community ON log (community);
            CREATE TABLE bundle (
                log INTEGER NOT NULL REFERENCES log (id),
                number INTEGER NOT NULL,
                entries INTEGER NOT NULL,
                compressed INTEGER NOT NULL,
                data BLOB NOT NULL,
                UNIQUE (log, number)
            ) STRICT;
            CREATE TABLE tile (
                log INTEGER NOT NULL REFERENCES log (id),
                level INTEGER NOT NULL,
                number INTEGER NOT NULL,
                data BLOB NOT NULL,
                UNIQUE (log, level, number)
            ) STRICT;
            CREATE TABLE checkpoint (
                log INTEGER NOT NULL REFERENCES log (id),
                size INTEGER NOT NULL,
                root BLOB NOT NULL CHECK (length(root) = 32),
                note TEXT NOT NULL,
                PRIMARY KEY (log, size)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE pending (
                log INTEGER PRIMARY KEY REFERENCES log (id),
                size INTEGER NOT NULL,
                root BLOB NOT NULL CHECK (length(root) = 32),
                note TEXT NOT NULL
            ) STRICT;
            CREATE TABLE cosignature (
                log INTEGER NOT NULL REFERENCES log (id),
                cosigner TEXT NOT NULL,
                size INTEGER NOT NULL,
                time INTEGER NOT NULL,
                line TEXT NOT NULL,
                PRIMARY KEY (log, cosigner, size)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE latest_cosignature (
                log INTEGER NOT NULL REFERENCES log (id),
                cosigner TEXT NOT NULL,
                size INTEGER NOT NULL,
                time INTEGER NOT NULL,
                line TEXT NOT NULL,
                PRIMARY KEY (log, cosigner)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE membership (
                log INTEGER PRIMARY KEY REFERENCES log (id),
                entry INTEGER NOT NULL,
                members TEXT NOT NULL,
                members_carry INTEGER NOT NULL
            ) STRICT;
            CREATE TABLE blob (
                log INTEGER NOT NULL REFERENCES log (id),
                entry INTEGER NOT NULL,
                sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
                size INTEGER NOT NULL,
                data BLOB,
                PRIMARY KEY (log, entry, sha256)
            ) STRICT;
            CREATE INDEX blob_wanted ON blob (log) WHERE data IS NULL;
            CREATE TABLE receipt (
                log INTEGER NOT NULL REFERENCES log (id),
                entry INTEGER NOT NULL,
                sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
                holder TEXT NOT NULL,
                time INTEGER NOT NULL,
                line TEXT NOT NULL,
                PRIMARY KEY (log, entry, sha256, holder)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE fork (
                log INTEGER PRIMARY KEY REFERENCES log (id),
                evidence BLOB NOT NULL,
                found INTEGER NOT NULL
            ) STRICT;
            CREATE TABLE damage (
                log INTEGER NOT NULL REFERENCES log (id),
                kind TEXT NOT NULL CHECK (kind IN ('bundle', 'tile', 'blob')),
                level INTEGER NOT NULL DEFAULT 0,
                number INTEGER NOT NULL,
                reason TEXT NOT NULL,
                found INTEGER NOT NULL,
                PRIMARY KEY (log, kind, level, number)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE recovery (
                log INTEGER NOT NULL REFERENCES log (id),
                member TEXT NOT NULL,
                size INTEGER NOT NULL,
                time INTEGER NOT NULL,
                PRIMARY KEY (log, member)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE agreement (
                peer TEXT PRIMARY KEY,
                digest BLOB NOT NULL CHECK (length(digest) = 32)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE agreed_head (
                peer TEXT NOT NULL,
                log_id BLOB NOT NULL CHECK (length(log_id) = 32),
                community TEXT NOT NULL,
                told BLOB,
                heard BLOB,
                unknown_there INTEGER NOT NULL,
                PRIMARY KEY (peer, log_id)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE contact (
                peer TEXT PRIMARY KEY,
                last_heard INTEGER,
                last_error TEXT,
                last_error_time INTEGER
            ) STRICT;
            CREATE TABLE double_hash (
                log INTEGER NOT NULL REFERENCES log (id),
                number INTEGER NOT NULL,
                hashes BLOB NOT NULL,
                UNIQUE (log, number)
            ) STRICT;
            """,
            // Published keys, grants and erasures.
            """
            CREATE TABLE published_key (
                log INTEGER NOT NULL REFERENCES log (id),
                role TEXT NOT NULL,
                entry INTEGER NOT NULL,
                action TEXT NOT NULL,
                key_id BLOB NOT NULL CHECK (length(key_id) = 32),
                public_key TEXT,
                previous_key_id BLOB,
                previous_key TEXT,
                epoch INTEGER,
                valid_until INTEGER,
                PRIMARY KEY (log, role, entry)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE foreign_key (
                log INTEGER NOT NULL REFERENCES log (id),
                key_id INTEGER NOT NULL,
                size INTEGER NOT NULL,
                peer TEXT NOT NULL,
                time INTEGER NOT NULL,
                PRIMARY KEY (log, key_id)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE sealed_grant (
                number INTEGER PRIMARY KEY,
                log INTEGER NOT NULL REFERENCES log (id),
                entry INTEGER NOT NULL,
                record INTEGER NOT NULL,
                node TEXT NOT NULL,
                hash BLOB NOT NULL CHECK (length(hash) = 32),
                commitment BLOB NOT NULL CHECK (length(commitment) = 32),
                UNIQUE (log, entry, record, node)
            ) STRICT;
            CREATE TABLE erasure (
                number INTEGER PRIMARY KEY,
                log INTEGER NOT NULL REFERENCES log (id),
                entry INTEGER NOT NULL,
                sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
                record INTEGER NOT NULL,
                wiped INTEGER NOT NULL DEFAULT 0,
                -- The row that the blob had; no other blob gets it.
                blob_row INTEGER,
                UNIQUE (log, entry, sha256)
            ) STRICT;
            CREATE INDEX erasure_blob ON erasure (blob_row);
            CREATE INDEX erasure_unwiped ON erasure (log) WHERE wiped = 0;
            """,
            // How far a partner's logs were here when its card was seen first, and mirror keys that nothing leads to.
            """
            CREATE TABLE seen_card (
                node TEXT PRIMARY KEY,
                fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE card_mark (
                node TEXT NOT NULL,
                origin TEXT NOT NULL,
                size INTEGER NOT NULL,
                PRIMARY KEY (node, origin)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE foreign_cosigner (
                node TEXT NOT NULL,
                key_id INTEGER NOT NULL,
                origin TEXT NOT NULL,
                size INTEGER NOT NULL,
                time INTEGER NOT NULL,
                PRIMARY KEY (node, key_id)
            ) STRICT, WITHOUT ROWID;
            """,
            // Since when, and until when, the owner of a log was heard.
            """
            CREATE TABLE log_contact (
                log INTEGER PRIMARY KEY REFERENCES log (id),
                known INTEGER NOT NULL,
                since INTEGER,
                until INTEGER,
                size INTEGER NOT NULL,
                grown INTEGER NOT NULL
            ) STRICT;
            """,
            // How witnesses were asked to cosign own logs, and what they have cosigned.
            """
            CREATE TABLE asked_witness (
                log INTEGER NOT NULL REFERENCES log (id),
                vkey TEXT NOT NULL,
                since INTEGER NOT NULL,
                asked INTEGER NOT NULL,
                size INTEGER NOT NULL,
                error TEXT,
                error_kind TEXT,
                error_since INTEGER,
                PRIMARY KEY (log, vkey)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE witness_cosignature (
                log INTEGER NOT NULL REFERENCES log (id),
                size INTEGER NOT NULL,
                vkey TEXT NOT NULL,
                time INTEGER NOT NULL,
                line TEXT NOT NULL,
                PRIMARY KEY (log, size, vkey)
            ) STRICT, WITHOUT ROWID;
            """,
            // Logs that came back with a backup of that time, until it is known what was erased since.
            """
            CREATE TABLE restored (
                log INTEGER PRIMARY KEY REFERENCES log (id),
                time INTEGER NOT NULL
            ) STRICT;
            """,
            // Grants and erasures say in which log they stand, which may be a successor of the log that they are about,
            // and be here before it.
            """
            CREATE TABLE access_grant (
                number INTEGER PRIMARY KEY,
                log_id BLOB NOT NULL CHECK (length(log_id) = 32),
                entry INTEGER NOT NULL,
                record_log BLOB NOT NULL CHECK (length(record_log) = 32),
                record INTEGER NOT NULL,
                node TEXT NOT NULL,
                hash BLOB NOT NULL CHECK (length(hash) = 32),
                commitment BLOB NOT NULL CHECK (length(commitment) = 32),
                UNIQUE (log_id, entry, record_log, record, node)
            ) STRICT;
            CREATE INDEX access_grant_record ON access_grant (record_log);
            INSERT INTO access_grant
                SELECT number, log_id, entry, log_id, record, sealed_grant.node, hash, commitment
                FROM sealed_grant JOIN log ON log.id = sealed_grant.log;
            DROP TABLE sealed_grant;
            CREATE TABLE blob_erasure (
                number INTEGER PRIMARY KEY,
                log_id BLOB NOT NULL CHECK (length(log_id) = 32),
                entry INTEGER NOT NULL,
                sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
                record_log BLOB NOT NULL CHECK (length(record_log) = 32),
                record INTEGER NOT NULL,
                wiped INTEGER NOT NULL DEFAULT 0,
                -- The row that the blob had; no other blob gets it.
                blob_row INTEGER,
                UNIQUE (log_id, entry, sha256)
            ) STRICT;
            CREATE INDEX blob_erasure_row ON blob_erasure (blob_row);
            CREATE INDEX blob_erasure_unwiped ON blob_erasure (log_id) WHERE wiped = 0;
            CREATE INDEX blob_erasure_record ON blob_erasure (record_log);
            INSERT INTO blob_erasure
                SELECT number, log_id, entry, sha256, log_id, record, wiped, blob_row
                FROM erasure JOIN log ON log.id = erasure.log;
            DROP TABLE erasure;
            -- Logs to be read again: successors that an earlier release has taken in, until what they say of the logs
            -- before them is kept, and logs whose sealed parts this node is to carry since.
            CREATE TABLE unread_successor (
                log INTEGER PRIMARY KEY
            ) STRICT;
            INSERT INTO unread_successor SELECT id FROM log WHERE origin LIKE '%/%/%' AND size > 0;
            """,
            // Logs that were given up, and how far they are their owners'.
            """
            CREATE TABLE given_up (
                log_id BLOB PRIMARY KEY CHECK (length(log_id) = 32),
                size INTEGER NOT NULL,
                successor BLOB NOT NULL CHECK (length(successor) = 32)
            ) STRICT, WITHOUT ROWID;
            """,
            // Logs of this node: those that partners hold and that are not here, those that are about to be made, and those
            // that were given up without anybody knowing where they end.
            """
            CREATE TABLE later_log (
                partner TEXT NOT NULL,
                origin TEXT NOT NULL,
                PRIMARY KEY (partner, origin)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE begun_log (origin TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
            CREATE TABLE open_end (origin TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
            """,
        ],
        isDurable: true,
        pageSize: 16_384
    )

    /// Marks of what was signed and of what was erased, apart from what a backup restores.
    static let signed = NodeDatabase.Kind(
        applicationID: 0x456e_7432,  // "Ent2"
        version: 6,
        steps: [
            """
            CREATE TABLE mark (
                role TEXT NOT NULL CHECK (role IN ('own', 'cosigned')),
                log_id BLOB NOT NULL CHECK (length(log_id) = 32),
                origin TEXT NOT NULL,
                size INTEGER NOT NULL,
                root BLOB NOT NULL CHECK (length(root) = 32),
                time INTEGER NOT NULL,
                PRIMARY KEY (role, log_id)
            ) STRICT, WITHOUT ROWID;
            """,
            // What was erased.
            """
            CREATE TABLE erased (
                log_id BLOB NOT NULL CHECK (length(log_id) = 32),
                entry INTEGER NOT NULL,
                sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
                record INTEGER NOT NULL,
                PRIMARY KEY (log_id, entry, sha256)
            ) STRICT, WITHOUT ROWID;
            """,
            // What was cosigned of logs outside the communities, and with which keys.
            """
            CREATE TABLE witnessed (
                origin TEXT PRIMARY KEY,
                size INTEGER NOT NULL,
                root BLOB NOT NULL CHECK (length(root) = 32),
                time INTEGER NOT NULL,
                -- The checkpoint with the log's own signatures.
                note TEXT NOT NULL,
                -- Once it has signed two histories.
                evidence BLOB
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE witness_key (
                public_key BLOB PRIMARY KEY CHECK (length(public_key) = 32)
            ) STRICT, WITHOUT ROWID;
            """,
            // When it was made anew beside logs that had been signed before, the file before it being lost.
            """
            CREATE TABLE remade (
                time INTEGER NOT NULL
            ) STRICT;
            """,
            // The log in which an erasure stands.
            """
            CREATE TABLE erased_blob (
                log_id BLOB NOT NULL CHECK (length(log_id) = 32),
                entry INTEGER NOT NULL,
                sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
                record_log BLOB NOT NULL CHECK (length(record_log) = 32),
                record INTEGER NOT NULL,
                PRIMARY KEY (log_id, entry, sha256)
            ) STRICT, WITHOUT ROWID;
            INSERT INTO erased_blob SELECT log_id, entry, sha256, log_id, record FROM erased;
            DROP TABLE erased;
            """,
            // Own logs of which a recovery has brought more than the marks knew, and how much they knew.
            """
            CREATE TABLE recovered (
                log_id BLOB PRIMARY KEY CHECK (length(log_id) = 32),
                size INTEGER NOT NULL,
                time INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            """,
        ],
        isDurable: true,
        pageSize: 4_096
    )
}
