/** An address that leads nowhere, and the ways on. */

import { Link } from '@tanstack/react-router';
import { texts } from '../texts.ts';

export function NotFoundPage() {
  return (
    <main className="card-page">
      <h1>{texts.notFound.title}</h1>
      <p>{texts.notFound.text}</p>
      <p>
        <Link to="/">{texts.notFound.overview}</Link> · <Link to="/incidents">{texts.notFound.incidents}</Link>
      </p>
    </main>
  );
}
