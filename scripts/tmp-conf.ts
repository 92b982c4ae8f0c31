import { conformanceCaptures } from '/work/wt/network/scripts/conformance-captures.ts';
console.log(await conformanceCaptures('/work/shared/data'));
