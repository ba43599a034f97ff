/** A paragraph of a guide; what stands between backticks is code. */

export function Prose({ text, className }: { text: string; className: string }) {
  const parts = text.split('`');
  return (
    <p className={className}>
      {parts.map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}
    </p>
  );
}
