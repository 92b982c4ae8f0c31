/** The door of the gateway inside its room. */

export { canonicalName, readAccounts } from './gateway-accounts.ts';
export { gatewayCommands, gatewayFile, startGateway } from './gateway-commands.ts';
export { loadGatewayConfig, parseGatewayConfig } from './gateway-config.ts';
export { type Gateway, openGateway } from './gateway-core.ts';
export { listEmergencies, reviewEmergency } from './gateway-emergency.ts';
export { listen } from './gateway-server.ts';
