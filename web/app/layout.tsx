/** The frame of every page: language, fonts (served from here), metadata, skip link. */
import localFont from 'next/font/local';
import type { Metadata, Viewport } from 'next';
import type { ReactNode } from 'react';
import './globals.css';

const display = localFont({
  src: './fonts/bricolage-grotesque.woff2',
  weight: '200 800',
  display: 'swap',
  variable: '--font-bricolage',
});
const text = localFont({
  src: './fonts/figtree.woff2',
  weight: '300 900',
  display: 'swap',
  variable: '--font-figtree',
});

export const metadata: Metadata = {
  title: { default: 'Tessera: one home GPU, a public service', template: '%s · Tessera' },
  description:
    'One graphics card in a home, shared by a fair queue: pictures, video, text, speech, music and transcription.',
  icons: { icon: { url: '/icon.svg', type: 'image/svg+xml' } },
};

export const viewport: Viewport = {
  colorScheme: 'light dark',
  themeColor: [
    { media: '(prefers-color-scheme: light)', color: '#f6f6f2' },
    { media: '(prefers-color-scheme: dark)', color: '#0d1122' },
  ],
};

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en" className={`${display.variable} ${text.variable}`}>
      <body>
        <a href="#main" className="skip-link">
          Skip to the content
        </a>
        {children}
      </body>
    </html>
  );
}
