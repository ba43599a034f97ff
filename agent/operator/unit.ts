/** The systemd unit that keeps the agent running, as text. Pure. */

/** `execStart` is the whole command; quoted where it needs to be. */
export function unitOf(execStart: string): string {
  return `[Unit]
Description=Tessera agent
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=${execStart}
Restart=on-failure
RestartSec=5
# 2: the settings or the token are wrong; starting again does not help
RestartPreventExitStatus=2
# a drained agent finishes or returns its job first
TimeoutStopSec=90
KillSignal=SIGTERM
# the agent drains its engines; what is left after it, also what left its group, is killed
KillMode=mixed
UMask=0077
NoNewPrivileges=true
Environment=NODE_ENV=production

[Install]
WantedBy=default.target
`;
}

/** A word of a unit's command line: systemd's own quoting. */
export function quote(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /[\s"'\\]/.test(plain) ? `"${plain.replaceAll(/["\\]/g, '\\$&')}"` : plain;
}
