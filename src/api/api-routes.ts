/** Schemas of names, passwords and roles that the route files of sign-in and people share. */

import { Type } from 'typebox';
import { oneOf, ROLES } from '../core/index.ts';

export const Username = Type.String({
  minLength: 2,
  maxLength: 64,
  // No underscore: ids have one, and an invitation tells a name from an id by it.
  pattern: '^[A-Za-z0-9](?:[A-Za-z0-9.@-]*[A-Za-z0-9])?$',
  description: 'Letters, digits, dot, hyphen and @; upper and lower case are the same name',
});
/** A password on its way in; how good it must be is decided elsewhere, with a reason. */
export const Password = Type.String({ minLength: 1, maxLength: 1024 });
export const Opaque = Type.String({ minLength: 1, maxLength: 128 });
export const DisplayName = Type.String({ minLength: 1, maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f]+$' });
export const RoleSchema = oneOf(ROLES);
