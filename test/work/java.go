package main

// java is work with java and its build tools.
var java = group{
	name:  "java",
	needs: []string{"java"},
	rows: []row{
		{name: "a version", run: `java -version`},
		{name: "compiled and run", needs: []string{"javac"}, given: class, run: `javac -d out H.java && java -cp out H`},
		{name: "run from its source", needs: []string{"javac"}, given: class, run: `java H.java`},
		{
			name: "an archive", needs: []string{"javac", "jar"}, given: class,
			run: `javac H.java && jar -c -f h.jar -e H H.class && java -jar h.jar && rm h.jar`,
		},
		{
			name: "maven, offline", needs: []string{"javac", "mvn"},
			// Debian's repository of what it has packaged: the same for whoever tries this.
			given: class + `
[ -d /usr/share/maven-repo/org/apache/maven/plugins/maven-compiler-plugin ] && [ -d /usr/share/maven-repo/org/apache/maven/plugins/maven-resources-plugin ] || { echo "maven's plugins, packaged"; exit 1; }
mkdir -p src/main/java && mv H.java src/main/java/
cat >pom.xml <<'END'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>x</groupId><artifactId>x</artifactId><version>1</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
</project>
END`,
			run: `mvn -B -q -o -Dmaven.repo.local=/usr/share/maven-repo compile && java -cp target/classes H`,
			inB: &deviation{
				code: 1, says: "Non-readable settings",
				why: "what is not granted is not there in tier A, and there in tier B, unreadable: maven stops at " +
					"settings that it may not read; `--read /etc/maven`, if there is no password in them",
			},
		},
		{
			name: "ant", needs: []string{"javac", "ant"}, given: class + `
echo '<project default="b"><target name="b"><mkdir dir="out"/><javac srcdir="." destdir="out" includeantruntime="false"/></target></project>' >build.xml`,
			run: `ant -q -S && java -cp out H`,
		},
	},
}

// class is a program in Java.
const class = `printf 'class H { public static void main(String[] a) { System.out.println("from Java " + Runtime.version().feature()); } }\n' >H.java`
