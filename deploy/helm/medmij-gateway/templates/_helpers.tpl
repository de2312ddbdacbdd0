{{- define "gateway.name" -}}
{{- printf "%s" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "gateway.labels" -}}
app.kubernetes.io/name: medmij-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: medmij-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.image" -}}
{{- $repository := required "image.repository: where is the image?" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* What every pod has: nobody's rights, nothing writable but /data and /tmp, settings and secrets by reference. */}}
{{- define "gateway.pod" -}}
automountServiceAccountToken: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
volumes:
  - name: config
    configMap:
      name: {{ include "gateway.name" .root }}{{ .suffix }}
  - name: data
    emptyDir: {}
  - name: tmp
    emptyDir: {}
  {{- with .root.Values.secrets.files }}
  - name: files
    secret:
      secretName: {{ . }}
      defaultMode: 0440
  {{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "gateway.container" -}}
image: {{ include "gateway.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
env:
  - name: GATEWAY_CONFIG
    value: /etc/medmij-gateway/gateway.toml
envFrom:
  - secretRef:
      name: {{ required "secrets.variables: which secret has the variables?" .root.Values.secrets.variables }}
volumeMounts:
  - name: config
    mountPath: /etc/medmij-gateway/gateway.toml
    subPath: gateway.toml
    readOnly: true
  - name: data
    mountPath: /data
  - name: tmp
    mountPath: /tmp
  {{- if .root.Values.secrets.files }}
  - name: files
    mountPath: /etc/medmij-gateway/files
    readOnly: true
  {{- end }}
{{- end -}}
