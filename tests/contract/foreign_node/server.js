// A FHIR server on @asymmetrik/node-fhir-server-core for the adapter tests: its routing, formats, sanitising and
// CapabilityStatement, over resources from a file. Usage: node server.js MODULES RESOURCES.json PORT VERSION
const [modules, file, port, version] = process.argv.slice(2);
const entry = require.resolve('@asymmetrik/node-fhir-server-core', { paths: [modules] });
const core = require(entry);
const parameters = require(`${require('path').dirname(entry)}/server/resources/${version}/parameters`);
const held = require(file);

const ids = (text) => text.split(',').map((one) => one.replace(/^Patient\//, ''));
const names = (reference) => reference && reference.reference && reference.reference.split('/').pop();

function owners(resource) {
  const actors = (resource.participant || []).map((one) => one.actor);
  return [resource.subject, resource.patient, resource.beneficiary, ...actors].map(names).filter(Boolean);
}

function service(type) {
  const all = held.filter((one) => one.resourceType.toLowerCase() === type);
  return {
    search: async (_args, { req }) => {
      const asked = { ...req.query, ...req.body };
      const patient = asked.patient || asked.subject || asked.beneficiary || asked.actor;
      const wanted = (one) =>
        (!patient || owners(one).some((owner) => ids(patient).includes(owner))) &&
        (!asked._id || asked._id.split(',').includes(one.id)) &&
        (!asked.identifier ||
          (one.identifier || []).some((it) => `${it.system}|${it.value}` === asked.identifier));
      const entry = all.filter(wanted).map((resource) => ({ resource }));
      return { resourceType: 'Bundle', type: 'searchset', total: entry.length, entry };
    },
    searchById: async ({ id }) => {
      const found = all.find((one) => one.id === id);
      if (!found) {
        throw new core.ServerError('not found', { statusCode: 404, issue: [{ severity: 'error', code: 'not-found' }] });
      }
      return found;
    },
  };
}

const profiles = {};
for (const type of new Set(held.map((one) => one.resourceType.toLowerCase()))) {
  if (!parameters[type]) continue; // the server lacks this type (ProcedureRequest in STU3)
  profiles[type] = { service: service(type), versions: [version] };
}
core.initialize({ profiles, server: {}, logging: { level: 'error' } }).listen(Number(port));
