/** Brings in which documentation fields a route's schema may carry (the OpenAPI generator's own declaration). */

import type {} from '@fastify/swagger';
