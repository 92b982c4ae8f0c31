/** The door of the gateway inside its room. */

export { gatewayCommands, gatewayFile, type RunningGateway, startGateway } from './gateway-commands.ts';
export { parseGatewayConfig } from './gateway-config.ts';
export { type Gateway, openGateway } from './gateway-core.ts';
export { listen } from './gateway-server.ts';
