/** The mark: eight tiles around the one that is lit. */
export function Logo() {
  return (
    <svg viewBox="0 0 32 32" className="size-8 shrink-0" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" fill="#10173a" />
      <path
        fill="#4257a8"
        d="M5 5.3 11.4 5l.3 6.5L5.2 12zM5.3 13.4l6.3-.2.1 6.4-6.6.2zM20.4 5.2 27 5l-.2 6.7-6.4-.1zM20.5 20.6l6.4-.2L27 27l-6.7-.2z"
      />
      <path
        fill="#6a78bd"
        d="m12.9 5.2 6.3-.1.1 6.5-6.5.1zM20.6 13l6.2.2.2 6.3-6.5-.1zM5.2 20.9l6.4-.3.2 6.4-6.8-.2zM13 20.5l6.3.1-.2 6.3-6.2.1z"
      />
      <path fill="#ffc857" d="m12.8 13.1 6.5-.1.1 6.4-6.5.2z" />
    </svg>
  );
}
