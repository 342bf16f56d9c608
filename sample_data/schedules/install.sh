#!/bin/sh
# Run once as root, in this code's folder, with the token in a file `token` there.
# Makes the user, its folders, the inbox and the programs that the timer or cron will run.
set -eu
if ! [ -f pyproject.toml ] || ! [ -f token ]; then
    echo "install.sh: run this in the code's folder, with the token in a file 'token' there" >&2
    exit 2
fi
here=sample_data/schedules

# The system's own Python, 3.11 or newer: the service can read nobody's home.
/usr/bin/python3 -m venv /opt/defer-batch/.venv
/opt/defer-batch/.venv/bin/python3 -m pip install '.[excel]'

# The service's user is in the group that owns the inbox, so that it can read members' lists.
getent group deferrals >/dev/null || groupadd deferrals
getent passwd defer-batch >/dev/null ||
    useradd --system --user-group --groups deferrals --home-dir /var/lib/defer-batch \
        --shell /usr/sbin/nologin defer-batch
usermod --append --groups deferrals defer-batch

install -d -m 0700 -o defer-batch -g defer-batch /var/lib/defer-batch /var/backups/defer-batch
install -d -m 0750 -o defer-batch -g defer-batch /var/log/defer-batch
install -d -m 2770 -o defer-batch -g deferrals /srv/deferrals/inbox
install -d -m 2770 -o defer-batch -g deferrals /srv/deferrals/inbox/done
install -d -m 2770 -o defer-batch -g deferrals /srv/deferrals/inbox/attention
# Delivered reports: the group reads them, and each new folder is the group's too.
install -d -m 2750 -o defer-batch -g deferrals /srv/deferrals/reports
install -d -m 0755 /etc/defer-batch /usr/local/lib/defer-batch
install -m 0600 -o defer-batch -g defer-batch token /etc/defer-batch/token
install -m 0755 "$here/defer-inbox" /usr/local/bin/defer-inbox
install -m 0644 "$here/backup_journal.py" /usr/local/lib/defer-batch/backup_journal.py
echo "Installed. Delete the file 'token' here; then set up cron or systemd, not both."
